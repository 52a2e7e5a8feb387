"""uvicorn's HTTP protocol with two things of ours: bounded heads, and one write for an answer's head and first bytes.

Two writes are two system calls and two packets, and on some networks the second waits for the first's acknowledgement.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100"
_MAX_HEAD_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class OneWriteProtocol(HttpToolsProtocol):
    """The protocol of each connection."""

    _head_is_open = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, its writes held together."""
        self._joined = _Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._head_is_open, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let a head pass."""
        self._head_is_open = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """End an answer; one to HEAD has no bytes after its head."""
        self._joined.flush()
        super().on_response_complete()

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
