"""Many streams at once, read frame by frame: when the first came, how long each was on its way, whether all did."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from time import monotonic, monotonic_ns
from urllib.parse import urlsplit

import httptools
import uvloop

from tests.benchmarks.targets import Target
from tests.benchmarks.upstreams import MODELS

_STAMP = re.compile(rb'"content": ?"(\d{9,})"')
_PATIENCE = 60.0
_RAMP_SECONDS = 2.0


@dataclass
class Streams:
    """What so many streams at once showed."""

    seconds: float = 0.0
    """How long it took."""
    whole: int = 0
    """Streams that came with every frame and their end."""
    broken: int = 0
    """Streams that did not."""
    frames: int = 0
    """Frames that came."""
    first_token_ms: list[float] = field(default_factory=list)
    """From each request to its first frame."""
    delays_ms: list[float] = field(default_factory=list)
    """From the writing of each frame upstream to its arrival."""


def run(target: Target, model: str, *, streams: int, seconds: float = 0.0) -> Streams:
    """Keep so many streams open for some seconds, each followed by the next; with 0 seconds each comes once."""
    seen = Streams()
    uvloop.run(_all(target, model, streams, seconds, seen, _Reader))
    return seen


def count(target: Target, model: str, *, streams: int, seconds: float) -> float:
    """Keep so many streams open for just so long; return how many frames came in a second."""
    seen = Streams()
    with contextlib.suppress(TimeoutError):
        uvloop.run(asyncio.wait_for(_all(target, model, streams, seconds, seen, _Counter), seconds))
    return seen.frames / seconds


async def _all(target: Target, model: str, streams: int, seconds: float, seen: Streams, kind: type[_Reader]) -> None:
    url = urlsplit(target.url_of(model))
    body = b'{"model":"%b","stream":true,"messages":[{"role":"user","content":"Go on."}]}' % model.encode()
    request = (
        f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {target.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    frames, milliseconds = MODELS[model]
    ramp = min(_RAMP_SECONDS, frames * milliseconds / 1000)  # streams don't begin in step
    began = monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(ramp * number / streams)
        _, reader = await asyncio.get_running_loop().create_connection(
            lambda: kind(seen, frames), url.hostname or "", url.port or 80
        )
        while True:
            await reader.ask(request)
            if monotonic() - began > seconds:
                break
        reader.close()

    async with asyncio.timeout(seconds + frames * milliseconds / 1000 + _PATIENCE):
        await asyncio.gather(*(one(number) for number in range(streams)))
    seen.seconds = monotonic() - began


class _Reader(asyncio.Protocol):
    def __init__(self, seen: Streams, expected: int) -> None:
        self._seen = seen
        self._expected = expected
        self._over: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    async def ask(self, request: bytes) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._rest, self._last, self._frames = b"", b"", 0
        self._over = asyncio.get_running_loop().create_future()
        self._asked = monotonic_ns()
        self._transport.write(request)
        await self._over

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._now = monotonic_ns()
        self._parser.feed_data(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._over is not None and not self._over.done():
            self._seen.broken += 1
            self._over.set_exception(ConnectionError("closed in the middle of a stream"))

    def on_body(self, body: bytes) -> None:
        text = self._rest + body
        end = text.rfind(b"\n") + 1
        self._last, self._rest = text[max(0, end - 40) : end], text[end:]
        for stamp in _STAMP.findall(text[:end]):
            if not self._frames:
                self._seen.first_token_ms.append((self._now - self._asked) / 1e6)
            self._frames += 1
            self._seen.delays_ms.append((self._now - int(stamp)) / 1e6)

    def on_message_complete(self) -> None:
        self._seen.frames += self._frames
        if self._frames == self._expected and self._last.endswith(b"data: [DONE]\n\n"):
            self._seen.whole += 1
        else:
            self._seen.broken += 1
        if self._over is not None and not self._over.done():
            self._over.set_result(None)


class _Counter(_Reader):
    """Reads as fast as it can: every blank line is a frame."""

    def on_body(self, body: bytes) -> None:
        self._seen.frames += (self._last + body).count(b"\n\n")
        self._last = body[-1:]
