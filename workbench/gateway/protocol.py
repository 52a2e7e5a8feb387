"""uvicorn's HTTP protocol with three things of ours.

Bounded heads; one write for an answer's head and first bytes, since two are two system calls and two packets; and a
word to the call whose client is gone, since a task that waits for `http.disconnect` costs more than the key check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ON_LEFT = "workbench.on_left"
"""In the scope of a request: a function that takes what is to be done when the client is gone."""

ABORT = "workbench.abort"
"""In the scope of a request: a function that breaks the connection at once."""

_HEAD = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100"
_MAX_HEAD_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GatewayProtocol(HttpToolsProtocol):
    """The protocol of each connection."""

    _head_is_open = True
    _head_bytes = 0
    _on_left: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, its writes held together."""
        self._joined = _Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._head_is_open, self._head_bytes = True, 0
        super().on_message_begin()
        self.scope[ON_LEFT] = self._remember  # type: ignore[literal-required]
        self.scope[ABORT] = self._joined.abort  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """Let a head pass."""
        self._head_is_open = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """End an answer; one to HEAD has no bytes after its head."""
        self._on_left = None
        self._joined.flush()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the call whose answer nobody will read."""
        super().connection_lost(exc)
        if self._on_left is not None:
            self._on_left()
            self._on_left = None

    def _remember(self, on_left: Callable[[], None]) -> None:
        # Requests of one connection are answered one after the other: there is one call at a time.
        self._on_left = on_left

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head grows without end."""
        super().data_received(data)
        if self._head_is_open:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()


class _Joined:
    """A transport that keeps a head until the write that follows it; uvicorn makes one, or tells the end."""

    __slots__ = ("_head", "_transport", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Write, or keep a head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_CONTINUE):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write what is kept."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what is kept, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Break the connection; what is kept or not yet sent is lost."""
        self._head = b""
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
