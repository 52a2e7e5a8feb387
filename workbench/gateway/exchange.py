"""One request and its answer on a connection, as ASGI sees them: `receive` and `send`.

A head leaves together with the first bytes of its body: two writes are two system calls and two packets.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.gateway.protocol import GatewayProtocol

_log = logging.getLogger("workbench.gateway")

_START = "http.response.start"
_STATUS = {status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in (
    (known.value, known.phrase) for known in HTTPStatus
)}  # fmt: skip
_CONTROLS = bytes(code for code in (*range(32), 127) if code != ord("\t"))
"""What stands in a head at the ends of its lines, two of them, and nowhere else."""
_WITHOUT_BODY = frozenset({204, 304})
_MOST_BUFFERED = 64 * 1024
_JOINED_BYTES = 64 * 1024


class Exchange:
    """A request that came, and the answer that goes."""

    __slots__ = (
        "_chunked", "_chunks", "_connection", "_delivered", "_expects_continue", "_head", "_left", "_size", "_waiter",
        "begun", "complete", "disconnected", "keep_alive", "more_body", "scope", "task",
    )  # fmt: skip

    def __init__(self, connection: GatewayProtocol, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = keep_alive
        """Whether the connection serves another request after this one."""
        self.more_body = True
        """Whether the end of the request's body is still to come."""
        self.disconnected = False
        """Whether nobody is there to read the answer."""
        self.begun = False
        """Whether the answer has a status."""
        self.complete = False
        """Whether the answer is out."""
        self.task: asyncio.Task[None] | None = None
        """What lets the application answer."""
        self._expects_continue = expects_continue
        self._chunks: list[bytes] = []
        self._size = 0
        self._delivered = False
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._chunked = False
        self._left = 0

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer; an answer that it leaves unfinished ends the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - the connection must know that there is no answer
            _log.exception("a request failed where nothing answers for it")
        finally:
            self._connection.forget_task(self.task)
            self.task = None
            if not (self.complete or self.disconnected):
                self.keep_alive = False
                self._finish()

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the request's body."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > _MOST_BUFFERED:
            self._connection.pause_reading()
        self.wake()

    def wake(self) -> None:
        """Tell whoever waits for the request that it has changed."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """Return the next piece of the request, or that there is nobody to answer any more."""
        while not (self.disconnected or self.complete):
            if not self._delivered and (self._chunks or not self.more_body):
                body = b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                self._delivered = not self.more_body
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            if self._expects_continue:
                self._expects_continue = False
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._connection.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; returns when there is room for more."""
        if self._connection.writes_paused and not self.disconnected:
            await self._connection.drained()
        if self.disconnected:
            return
        if message["type"] == _START:
            self._begin(message["status"], message.get("headers", ()))
            return
        more = message.get("more_body", False)
        self._write(message.get("body", b""), last=not more)
        if not more:
            self._finish()

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.begun:
            raise RuntimeError("an answer has one status")
        self.begun = True
        if self._expects_continue and self.more_body:
            self.keep_alive = False  # a body that was not asked for may come or not: nobody could tell what follows
        self._expects_continue = False
        length: int | None = 0 if status in _WITHOUT_BODY or self.scope["method"] == "HEAD" else None
        parts = [_STATUS.get(status) or b"HTTP/1.1 %d\r\n" % status]
        lines = 2
        for name, value in (*self._connection.standing_headers, *headers):
            if name == b"connection":
                self.keep_alive = self.keep_alive and value.lower() != b"close"
                continue
            if name == b"content-length" and length is None:
                length = int(value)
            parts += (name, b": ", value, b"\r\n")
            lines += 1
        if length is None and self.scope["http_version"] == "1.1":
            self._chunked = True
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        elif length is None:
            self.keep_alive = False  # the end of the connection is the end of the answer
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * lines:
            raise ValueError("a header of the answer holds what would make another header")
        self._head, self._left = head, -1 if length is None else length

    def _write(self, body: bytes, *, last: bool) -> None:
        if not self.begun:
            raise RuntimeError("an answer begins with its status")
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if last:
                data += b"0\r\n\r\n"
        elif self._left < 0:
            data = body
        else:
            data = body[: self._left]
            self._left -= len(data)
            if last and self._left:
                self.keep_alive = False  # shorter than it promised: only the end of the connection tells
        head, self._head = self._head, b""
        if head and len(data) > _JOINED_BYTES:
            self._connection.write(head)
        elif head:
            data = head + data
        if data:
            self._connection.write(data)

    def _finish(self) -> None:
        self.complete = True
        self.wake()
        self._connection.answered(self)
