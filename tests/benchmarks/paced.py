"""An upstream that streams chat frames at a pace: `/{frames}/{milliseconds between two}/chat/completions`.

Each frame carries the time at which it was written, so that whoever reads it can tell how long it was on its way.
With a pace of 0 frames are written one by one, as fast as the event loop turns.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from time import monotonic_ns

import httptools
import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"paced",%b}\n\n'
_FRAME = _EVENT.replace(
    b"%b", b'"choices":[{"index":0,"delta":{"role":"assistant","content":"%d"},"logprobs":null,"finish_reason":null}]'
)
_END = (
    _EVENT % b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]',
    _EVENT % b'"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}',
    b"data: [DONE]\n\n",
)
READY = "paced upstream ready at "


class _Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._left = 0
        self._pause = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, _exc: Exception | None) -> None:
        self._left = -1

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        _, frames, milliseconds, *_ = self._path.split(b"/")
        self._left, self._pause = int(frames), int(milliseconds) / 1000
        self._due = self._loop.time()
        self._write(_HEAD)

    def _write(self, before: bytes = b"") -> None:
        if self._left < 0 or self._transport.is_closing():
            return
        if not self._left:
            self._transport.write(b"".join(map(_chunk, _END)) + b"0\r\n\r\n")
            return
        self._left -= 1
        self._transport.write(before + _chunk(_FRAME % monotonic_ns()))
        if self._pause:
            self._due += self._pause
            self._loop.call_at(self._due, self._write)
        else:
            self._loop.call_soon(self._write)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, sock=listener)
    print(f"{READY}http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    uvloop.run(_serve(listening))
