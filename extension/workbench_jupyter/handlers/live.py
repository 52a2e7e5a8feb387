"""`/workbench/live/{provider}/...`: live conversations over WebSocket, where the gateway has them, with the own key."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workbench.errors import WorkbenchError
from workbench_jupyter.handlers.base import RESOURCE, Parts
from workbench_jupyter.passed_headers import subprotocols_to_gateway

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

_ROOT = "/workbench/live"
_GOING_AWAY = 1001


class LiveHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):  # type: ignore[misc]  # jupyter_server has no types
    """Passes messages both ways; what a page of another origin asks for never reaches the gateway."""

    auth_resource = RESOURCE

    def initialize(self, parts: Parts) -> None:
        """Take what there is to ask of."""
        self.parts = parts
        self._upstream: ClientWebSocketResponse | None = None
        self._downwards: asyncio.Task[None] | None = None

    async def get(self, *args: str) -> None:
        """Open the conversation with the gateway, and only then with the browser."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPError(400, "A WebSocket is served here.")
        if self.current_user is None:
            raise web.HTTPError(403, "This Jupyter server does not know who asks.")
        # Tornado asks only when it shakes hands, which is after the gateway was spoken to.
        if not self.check_origin(self.get_origin()):
            raise web.HTTPError(403, "A page of another origin may not ask this Jupyter server.")
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "execute", RESOURCE)):
            raise web.HTTPError(403, f"User is not authorized to execute on resource: {RESOURCE}.")
        asked = self.request.headers.get("Sec-WebSocket-Protocol", "")
        try:
            self._upstream = await self.parts.upstream.converse(
                self.request.path.removeprefix(self.base_url.rstrip("/") + _ROOT),
                query=self.request.query,
                subprotocols=subprotocols_to_gateway(name.strip() for name in asked.split(",")),
            )
        except WorkbenchError as error:
            raise web.HTTPError(error.status, str(error).replace("%", "%%")) from error
        await super().get(*args)
        if self.ws_connection is None:
            await self._upstream.close()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Take the one that the gateway took."""
        taken = self._upstream.protocol if self._upstream is not None else None
        return taken if taken in subprotocols else None

    def open(self, *args: str) -> None:
        """Begin to hand the gateway's messages over."""
        super().open(*args)
        self._downwards = asyncio.create_task(self._hand_over())

    async def on_message(self, message: str | bytes) -> None:
        """Hand a message to the gateway."""
        assert self._upstream is not None
        with suppress(ConnectionError):  # its end is told by `_hand_over`
            await (self._upstream.send_str(message) if isinstance(message, str) else self._upstream.send_bytes(message))

    def on_close(self) -> None:
        """End the conversation with the gateway."""
        if self._downwards is not None:
            self._downwards.cancel()
        if self._upstream is not None:
            self._closing = asyncio.ensure_future(self._upstream.close(code=_GOING_AWAY))

    async def _hand_over(self) -> None:
        kinds: Any = import_module("aiohttp").WSMsgType
        assert self._upstream is not None
        with suppress(WebSocketClosedError):
            async for message in self._upstream:
                if message.type in (kinds.TEXT, kinds.BINARY):
                    await self.write_message(message.data, binary=message.type == kinds.BINARY)
        self.close(self._upstream.close_code)
