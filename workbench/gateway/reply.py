"""How answers and errors leave the gateway: JSON, the error envelope, and the bytes of a call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from workbench.errors import WorkbenchError
from workbench.gateway.dialects.dialect import come_back
from workbench.gateway.dialects.openai import body_of
from workbench.gateway.providers.provider import CallerRefused
from workbench.wire import headers as names

_JSON = b"application/json"
_REQUEST_ID = names.REQUEST_ID.encode()
_SCOPE_ID = "workbench.request_id"
_NO_CONTENT = 204
_LAST_SECONDS = 10.0
"""How long a client may take to make room for the end of its answer."""


def request_id_of(scope: Scope) -> str:
    """Return the id that the door gave to a request."""
    return str(scope[_SCOPE_ID])


def name_request(scope: Scope, request_id: str) -> None:
    """Give a request its id."""
    scope[_SCOPE_ID] = request_id


def status_of(error: WorkbenchError) -> int:
    """Return the HTTP status of an error; a provider's refusal of what the caller sent keeps its own."""
    return error.answered if isinstance(error, CallerRefused) else error.status


def json_reply(
    request: Request, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer of a path that is no call."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        media_type="application/json",
        headers={**(headers or {}), names.REQUEST_ID: request_id_of(request.scope)},
    )


def error_reply(request: Request, error: WorkbenchError) -> Response:
    """Return an error in the envelope."""
    request_id = request_id_of(request.scope)
    told = {name.decode(): value.decode() for name, value in come_back(error)}
    return Response(
        body_of(error, request_id),
        status_code=status_of(error),
        media_type="application/json",
        headers={**told, names.REQUEST_ID: request_id},
    )


async def refuse(scope: Scope, receive: Receive, send: Send, error: WorkbenchError) -> None:
    """Answer a request that is no call, or a WebSocket's handshake, with an error in the envelope."""
    if scope["type"] == "http":
        await error_reply(Request(scope), error)(scope, receive, send)
        return
    body = body_of(error, request_id_of(scope))
    headers = [
        (b"content-type", _JSON), (b"content-length", str(len(body)).encode()),
        (_REQUEST_ID, request_id_of(scope).encode()),
    ]  # fmt: skip
    await send({"type": "websocket.http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


class Reply:
    """The answer to one call, sent whole or in pieces."""

    __slots__ = ("_abort", "_request_id", "_send", "_writable", "begun", "ended")

    def __init__(
        self,
        send: Send,
        request_id: str,
        *,
        abort: Callable[[], None] | None = None,
        writable: Callable[[], bool] | None = None,
    ) -> None:
        """Answer by `send`; `abort` breaks the connection, `writable` tells whether sending would wait."""
        self._send = send
        self._abort = abort
        self._writable = writable
        self._request_id = (_REQUEST_ID, request_id.encode())
        self.begun = False
        """Whether the status line is out, so that an error can only be an event."""
        self.ended = False
        """Whether the last byte is out."""

    async def whole(
        self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, kind: bytes = _JSON
    ) -> None:
        """Send a plain answer of a content type."""
        self.begun = self.ended = True
        fixed = [(b"content-type", kind)] if kind else []
        if status != _NO_CONTENT:
            fixed.append((b"content-length", str(len(body)).encode()))
        await self._end(
            {"type": "http.response.start", "status": status, "headers": [*fixed, self._request_id, *headers]},
            {"type": "http.response.body", "body": body},
        )

    async def begin_stream(self, headers: Iterable[tuple[bytes, bytes]], *, kind: bytes, status: int = 200) -> None:
        """Send the head of a stream of a content type."""
        self.begun = True
        fixed = ((b"content-type", kind), (b"cache-control", b"no-cache"))
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*fixed, self._request_id, *headers]}
        )

    async def piece(self, body: bytes) -> None:
        """Send a piece of a stream."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def last(self, body: bytes) -> None:
        """Send the last piece of a stream and end it."""
        self.ended = True
        await self._end({"type": "http.response.body", "body": body})

    def break_off(self) -> None:
        """End a stream that has no place for an error so that nobody takes it for whole."""
        self.ended = True
        if self._abort is not None:
            self._abort()

    async def _end(self, *messages: Message) -> None:
        """Send what ends the answer; a client that does not read it in time is given up."""
        if self._writable is not None and self._writable():  # nothing will wait: no need of a timer
            for message in messages:
                await self._send(message)
            return
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                for message in messages:
                    await self._send(message)
        except TimeoutError:
            if self._abort is None:
                return
            self._abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._send(messages[-1])  # nothing is sent any more: it returns when the loss is known
