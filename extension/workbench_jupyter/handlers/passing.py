"""`/workbench/v1/...`: the gateway's unified API for pages of this server, called with the server's own key.

What the browser signs in with ends here, and so does what the gateway would have a browser keep or allow.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from workbench.errors import PayloadTooLarge, StreamCut, Unavailable, WorkbenchError
from workbench.wire.envelope import error_body
from workbench_jupyter.handlers.base import Parts, WorkbenchHandler
from workbench_jupyter.passed_headers import to_browser, to_gateway
from workbench_jupyter.upstream import Answer, Asked

_ROOT = "/workbench"


class PassingHandler(WorkbenchHandler):
    """Passes a request on, and its answer back as it comes; a browser that leaves ends the call."""

    def initialize(self, parts: Parts) -> None:
        """Begin with nothing under way."""
        super().initialize(parts)
        self._passing: asyncio.Future[None] | None = None

    @property
    def content_security_policy(self) -> str:
        """Let nothing run that a provider sent, should a browser be made to open it as a page."""
        return f"{super().content_security_policy}; sandbox"

    # `authorized` keeps the first action that it was asked for: one decorator for each method.

    @web.authenticated
    @authorized("read")  # type: ignore[untyped-decorator]
    async def get(self, _path: str) -> None:
        """Pass a GET on."""
        await self._pass_while_heard()

    @web.authenticated
    @authorized("execute")  # type: ignore[untyped-decorator]
    async def post(self, _path: str) -> None:
        """Pass a POST on: it may spend."""
        await self._pass_while_heard()

    @web.authenticated
    @authorized("execute")  # type: ignore[untyped-decorator]
    async def delete(self, _path: str) -> None:
        """Pass a DELETE on."""
        await self._pass_while_heard()

    def body_of(self, error: WorkbenchError) -> dict[str, Any]:
        """Return an error as the SDKs of this path read it."""
        return error_body(error)

    def on_connection_close(self) -> None:
        """End the call of a browser that left."""
        super().on_connection_close()
        if self._passing is not None:
            self._passing.cancel()

    async def _pass_while_heard(self) -> None:
        self._passing = asyncio.ensure_future(self._pass())
        with suppress(asyncio.CancelledError, StreamClosedError):
            await self._passing

    async def _pass(self) -> None:
        if len(self.request.body) > self.parts.max_body_bytes:
            raise PayloadTooLarge(
                f"The body is over {self.parts.max_body_bytes} bytes.",
                hint="The administrator of this Jupyter server may raise WorkbenchExtension.max_body_bytes.",
            )
        # The path as it was sent: what is escaped in a model's name stays escaped.
        root = self.base_url.rstrip("/") + _ROOT
        asked = Asked(
            self.request.method,
            self.request.path.removeprefix(root),
            query=self.request.query,
            headers=to_gateway(self.request.headers),
            body=self.request.body,
        )
        async with self.parts.upstream.answer(asked) as answer:
            if answer.status == 401:
                raise Unavailable(
                    "The gateway does not take this server's key.", hint="Restart the Jupyter server to get another."
                )
            self.set_status(answer.status)
            for name, value in to_browser(answer.headers):
                self.set_header(name, value)
            self.set_header("X-Accel-Buffering", "no")
            await self._hand_over(answer)

    async def _hand_over(self, answer: Answer) -> None:
        tail = b""
        try:
            async for chunk in answer.chunks():
                self.write(chunk)
                await self.flush()  # waits for a browser that reads slowly
                tail = (tail + chunk)[-4:]
        except StreamCut as error:
            self._cut(error, answer.content_type, tail)
            return
        await self.finish(set_content_type=answer.content_type)

    def _cut(self, error: StreamCut, content_type: str, tail: bytes) -> None:
        """Let no answer that broke off look whole."""
        if content_type.startswith("text/event-stream") and (not tail or tail.endswith((b"\n\n", b"\r\n\r\n"))):
            self.finish(f"data: {json.dumps(error_body(error))}\n\n", set_content_type=content_type)
        else:
            self.request.connection.stream.close()
