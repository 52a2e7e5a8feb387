"""An upstream that answers a chat after 200 ms and has a quota of tokens: `/{tokens a minute}/chat/completions`.

Over its quota it answers 429, and `GET /` tells how often it did either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time
from collections import deque

import httptools
import uvloop

SECONDS = 0.2
TOKENS = 100
"""Tokens that each answer says it used."""
READY = "delayed upstream ready at "
_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "delayed",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": TOKENS - 10, "completion_tokens": 10, "total_tokens": TOKENS},
}
_FULL = {"error": {"message": "Too many tokens.", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}


class _Quota:
    """What was used in the last minute, and how often it was refused."""

    def __init__(self) -> None:
        self.answered = self.refused = 0
        self._uses: deque[float] = deque()

    def takes(self, tokens_per_minute: int) -> bool:
        now = time.monotonic()
        while self._uses and self._uses[0] <= now - 60:
            self._uses.popleft()
        if (len(self._uses) + 1) * TOKENS > tokens_per_minute:
            self.refused += 1
            return False
        self.answered += 1
        self._uses.append(now)
        return True


class _Upstream(asyncio.Protocol):
    def __init__(self, quotas: dict[bytes, _Quota]) -> None:
        self._quotas = quotas
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        tokens = self._path.split(b"/")[1]
        if not tokens:
            quotas = self._quotas.values()
            told: dict[str, object] = {"answered": sum(quota.answered for quota in quotas)}
            self._write(200, {**told, "refused": sum(quota.refused for quota in quotas)})
        elif self._quotas.setdefault(tokens, _Quota()).takes(int(tokens)):
            asyncio.get_running_loop().call_later(SECONDS, self._write, 200, _ANSWER)
        else:
            self._write(429, _FULL)

    def _write(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        if not self._transport.is_closing():
            self._transport.write(head + body)


async def _serve(listener: socket.socket) -> None:
    quotas: dict[bytes, _Quota] = {}
    server = await asyncio.get_running_loop().create_server(lambda: _Upstream(quotas), sock=listener)
    print(f"{READY}http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    uvloop.run(_serve(socket.create_server(("127.0.0.1", 0), backlog=2048)))
