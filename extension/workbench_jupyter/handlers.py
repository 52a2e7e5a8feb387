"""What the server tells the browser; keys never go there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

if TYPE_CHECKING:
    from workbench_jupyter.status import Status


class StatusHandler(APIHandler):  # type: ignore[misc]  # jupyter_server has no types
    """`GET /workbench/api/status`."""

    auth_resource = "workbench"

    def initialize(self, status: Status) -> None:
        """Take what there is to tell."""
        self._status = status

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Tell the gateway's state, and which kernel has which key until when."""
        self.finish(json.dumps(self._status.as_dict()))
