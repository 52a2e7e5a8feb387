"""HTTP/1.1 towards callers: an asyncio protocol on httptools, in the place of uvicorn's own.

Heads, trailers and chunk headers are bounded, slow requests have deadlines, what is not plainly HTTP is refused before
anything of it goes on. A call whose client leaves is told: a task that waits for that costs more than the key check.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.server import ServerState

from workbench.errors import InvalidInput
from workbench.gateway.exchange import Exchange
from workbench.gateway.request_id import new_request_id
from workbench.wire.envelope import error_body

ON_LEFT = "workbench.on_left"
"""In the scope of a request: a function that takes what is to be done when the client is gone."""

ABORT = "workbench.abort"
"""In the scope of a request: a function that breaks the connection at once."""

WRITABLE = "workbench.writable"
"""In the scope of a request: a function that tells whether the caller reads, so that nothing waits to be sent."""

_MAX_HEAD_BYTES = 64 * 1024
_MOST_DISCARDED = 256 * 1024 * 1024
_FRAMING_PER_BYTE = 17
"""A byte of a body, and what its chunk headers may need at most for each such byte."""
_VERSIONS = ("1.1", "1.0")
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}

_OTHER_PROTOCOL = re.compile(rb"(?<=\r\n)upgrade(?=:(?![ \t]*websocket))", re.IGNORECASE)
_HIDDEN = b"upgrad_"
"""What the wish for another protocol is called where the parser must not see it."""


class _Refused(Exception):
    """A request that is not let in."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GatewayProtocol(asyncio.Protocol):
    """One connection of a caller."""

    head_seconds = 30.0
    """How long the head of a request may take."""
    body_seconds = 30.0
    """How long a request's body may pause."""
    idle_seconds = 75.0
    """How long a connection is kept without a request."""
    look_seconds = 5.0
    """How often these are looked at."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self._config = config
        self._app = config.loaded_app
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._exchange: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._on_left: Callable[[], None] | None = None
        self._reading_head = False
        self._reading_body = False
        self._deaf = False
        self._refusal = b""
        self._refused: _Refused | None = None
        self._unread = 0
        self._discarded = 0
        self._unsent = math.inf
        self._reads_paused = False
        self.writes_paused = False
        """Whether the caller does not read as fast as we write."""
        self._writable: asyncio.Event | None = None

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        self._transport = transport
        self.write = transport.write
        self._client = transport.get_extra_info("peername")
        self._server = transport.get_extra_info("sockname")
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._due = self._loop.time() + self.idle_seconds
        self._timer = self._loop.call_later(self.look_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the call whose answer nobody will read."""
        self._state.connections.discard(self)
        self._timer.cancel()
        self._deaf = True
        self._waiting.clear()
        self.resume_writing()
        if self._exchange is not None:
            self._leave(self._exchange)

    def _leave(self, exchange: Exchange) -> None:
        if not exchange.complete:
            exchange.disconnected = True
        exchange.wake()
        if self._on_left is not None:
            on_left, self._on_left = self._on_left, None
            on_left()

    def shutdown(self) -> None:
        """End after the answer that is on its way."""
        if self._exchange is None or self._exchange.complete:
            self._transport.close()
        else:
            self._exchange.keep_alive = False

    def pause_writing(self) -> None:
        """Hold answers back: the caller does not read."""
        self.writes_paused = True
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Let answers go on."""
        self.writes_paused = False
        if self._writable is not None:
            self._writable.set()

    def _is_writable(self) -> bool:
        return not self.writes_paused

    async def drained(self) -> None:
        """Return when there is room for more of an answer."""
        if self._writable is not None:
            await self._writable.wait()

    def pause_reading(self) -> None:
        """Take no more of a request than is waited for."""
        if not self._reads_paused:
            self._reads_paused = True
            self._due = math.inf  # the caller is not the slow one
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more of a request."""
        if self._reads_paused:
            self._reads_paused = False
            self._transport.resume_reading()
            if self._reading_body:
                self._due = self._loop.time() + self.body_seconds

    @property
    def standing_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of every answer: the server keeps `date` among them right."""
        return self._state.default_headers

    def _look(self) -> None:
        if self._loop.time() < self._due:
            self._timer = self._loop.call_later(self.look_seconds, self._look)
        elif self._reading_head or self._reading_body:
            self._refuse(_Refused(408, "The request did not come to its end in time."))
        elif not (unsent := self._transport.get_write_buffer_size()):
            self._transport.close()
        elif unsent < self._unsent:
            self._unsent = unsent
            self._due = self._loop.time() + self.idle_seconds
            self._timer = self._loop.call_later(self.look_seconds, self._look)
        else:
            self._transport.abort()  # nobody takes the rest of the answer

    # -- requests ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._deaf:
            return
        self._unread += len(data)
        if not self._reading_body and (b"pgrade:" in data or b"PGRADE:" in data):
            data = _plainly(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError:
            self._refuse(self._refused or _Refused(400, "The request is not HTTP."))
        else:
            if self._unread > _MAX_HEAD_BYTES and (self._reading_head or self._reading_body):
                self._refuse(_Refused(431, "The head, the trailers or the chunk headers of the request are too large."))
            elif self._reading_body and not self._reads_paused:
                self._due = self._loop.time() + self.body_seconds

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._reading_head = True
        self._due = self._loop.time() + self.head_seconds
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are let go."""
        if self._reading_head:
            name = name.lower()
            if name == _HIDDEN:
                return
            self._headers.append((name, value))
            self._head_bytes += len(name) + len(value)
            if name == b"expect" and value.lower() == b"100-continue":
                self._expects_continue = True

    def on_headers_complete(self) -> None:
        """Let a request in once its head is whole."""
        self._reading_head, self._reading_body = False, True
        try:
            scope = self._scope()
        except _Refused as refused:
            self._refused = refused
            raise
        keep_alive = self._parser.should_keep_alive()
        if self._parser.should_upgrade():
            if self._asks_for_websocket():
                if self._exchange is not None and not self._exchange.complete:
                    self._refused = _Refused(400, "A WebSocket can't begin before the last answer has ended.")
                    raise self._refused
                return
            if self._has_body():  # its head came in pieces; the parser takes it for the other protocol's
                self._refused = _Refused(400, "A request with a body can't ask for another protocol.")
                raise self._refused
            keep_alive = False  # an upgrade that nobody asked us to know: the request is answered as it is
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_continue=self._expects_continue)
        if self._exchange is None or self._exchange.complete:
            self._start(exchange)
        else:
            self._waiting.append(exchange)
            self.pause_reading()
        self._incoming = exchange

    def on_body(self, body: bytes) -> None:
        """Take a piece of a request's body."""
        self._unread -= _FRAMING_PER_BYTE * len(body)
        if not self._incoming.complete:
            self._incoming.feed(body)
            return
        # Answered without being read: the caller may not look at the answer before it has sent all.
        self._discarded += len(body)
        if self._discarded > _MOST_DISCARDED:
            self._deaf = True
            self._transport.close()

    def on_message_complete(self) -> None:
        """End a request."""
        self._reading_body = False
        self._unread = self._discarded = 0
        self._due = math.inf
        if self._parser.should_upgrade() and self._asks_for_websocket():
            return
        self._incoming.more_body = False
        self._incoming.wake()
        if self._incoming is self._exchange:
            self.resume_reading()  # else nobody would see that the caller leaves
        if self._incoming.complete:
            self._due = self._loop.time() + self.idle_seconds

    def _scope(self) -> Scope:
        url = self._url
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise _Refused(431, "The head of the request is too large.")
        if not url.startswith(b"/") or b"#" in url or not url.isascii():
            raise _Refused(400, "The target of a request is a path, such as /v1/models.")
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise _Refused(400, "The request is not HTTP/1.1.")
        raw_path, _, query = url.partition(b"?")
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            ON_LEFT: self._remember,
            ABORT: self._transport.abort,
            WRITABLE: self._is_writable,
        }

    def _remember(self, on_left: Callable[[], None]) -> None:
        # Requests of one connection are answered one after the other: there is one call at a time.
        self._on_left = on_left

    def _start(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.task = task = self._loop.create_task(exchange.run(self._app))
        self._state.tasks.add(task)

    def forget_task(self, task: asyncio.Task[None] | None) -> None:
        """Forget the task of an exchange that is over."""
        self._state.tasks.discard(task)

    def answered(self, exchange: Exchange) -> None:
        """Turn to the next request."""
        self._on_left = None
        self._state.total_requests += 1
        self._unsent = math.inf
        if not exchange.keep_alive or self._transport.is_closing():
            self._transport.close()
            self._due = self._loop.time() + self.idle_seconds
        elif self._waiting:
            self._start(self._waiting.popleft())
            if not self._waiting:
                self.resume_reading()
        elif self._refusal:
            self.write(self._refusal)
            self._transport.close()
        else:
            self.resume_reading()
            if not exchange.more_body:
                self._due = self._loop.time() + self.idle_seconds

    # -- what is no request ------------------------------------------------------------------------------------------

    def _refuse(self, refused: _Refused) -> None:
        """Refuse what comes on this connection from here on, after what came before it is answered."""
        self._deaf = True
        self._due = math.inf
        self._refusal = _refusal(refused)
        current = self._exchange
        if self._waiting and self._waiting[-1].more_body:
            self._waiting.pop()
        if current is not None and not current.complete:
            if not current.more_body:
                return  # `answered` sends the refusal
            self._leave(current)
            if current.begun:
                self._refusal = b""  # in the middle of another answer it would be read as a part of that
        self.write(self._refusal)
        self._transport.close()

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")
            for name, value in self._headers
        )

    def _asks_for_websocket(self) -> bool:
        return self._config.ws_protocol_class is not None and any(
            name == b"upgrade" and value.lower() == b"websocket" for name, value in self._headers
        )

    def _upgrade(self) -> None:
        if not self._asks_for_websocket():
            self._deaf = True  # what follows is no HTTP; the request before it is answered
            return
        self._state.connections.discard(self)
        self._timer.cancel()
        head = b"".join(b"%b: %b\r\n" % header for header in self._headers)
        protocol: Any = self._config.ws_protocol_class
        protocol = protocol(config=self._config, server_state=self._state, app_state=self._app_state)
        protocol.connection_made(self._transport)
        protocol.data_received(b"GET %b HTTP/1.1\r\n%b\r\n" % (self._url, head))
        self._transport.set_protocol(protocol)


def _refusal(refused: _Refused) -> bytes:
    """Return an answer to what can't be given to the application."""
    request_id = new_request_id()
    error = InvalidInput(str(refused), hint="Send one plain HTTP/1.1 request.", code="bad_request")
    body = msgspec.json.encode(error_body(error, request_id=request_id))
    return (
        f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    ).encode() + body


def _plainly(data: bytes) -> bytes:
    """Return a request without its wish for HTTP/2, which Java's client puts into every first one.

    It may be ignored, and is; but the parser would take the body for the other protocol's.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OTHER_PROTOCOL.sub(_HIDDEN, head) + end + rest
