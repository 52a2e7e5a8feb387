"""Find a call that another replica has answered, in the lake, once it was shipped; only where there are replicas."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.errors import NotFound
from workbench.gateway.ledger.reports import as_told

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_OURS = re.compile(r"req_[0-9a-f]{32}")
_AT_ONCE = 1
_shown = msgspec.json.Decoder(dict[str, Any])


class Elsewhere:
    """Looks for calls in the lake, one after the other: each look is a child process."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def call(self, request_id: str | None) -> dict[str, Any] | None:
        """Return the row of a call that no ledger here has, as rows are told; None where nobody has shipped it."""
        if self._gateway.state.is_file or request_id is None or _OURS.fullmatch(request_id) is None:
            return None
        async with self._turn:
            try:
                lines = [line async for line in self._gateway.keeper.run("show", request_id)]
            except NotFound:
                return None
        return as_told(_shown.decode(lines[-1])["call"])
