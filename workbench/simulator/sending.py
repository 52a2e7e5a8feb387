"""How an answer goes out: whole or in frames, and broken in the way that a fault asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice

from starlette.types import Send

from workbench.simulator.faults import Fault
from workbench.simulator.recording import Seen
from workbench.simulator.reply import JSON, Frames, Whole

FOREVER = 3600.0
REQUEST_ID = "upstream-simulated"
_HUGE = 300 * 1024 * 1024
_BLOCK = b" " * (1024 * 1024)


class Broken(Exception):
    """The connection is to be closed without a proper end."""


class Sending:
    """The answer to one request on its way out."""

    def __init__(self, send: Send, seen: Seen, headers: Mapping[str, str]) -> None:
        self._send = send
        self._seen = seen
        self._headers = headers
        self.fault: Fault | None = None
        """How it is to go wrong."""

    @property
    def frames_sent(self) -> int:
        """How many frames went out."""
        return self._seen.frames

    async def reset(self, transport: asyncio.Transport) -> None:
        """Close the connection without a byte."""
        self._seen.ended = "broken"
        transport.abort()
        await asyncio.sleep(FOREVER)  # until the server has noticed

    async def instead(self, error: Callable[[Fault], Whole]) -> bool:
        """Fail in the place of an answer, if the fault is of that sort; return whether that was all."""
        fault = self.fault
        match fault.kind if fault is not None else "":
            case "status":
                assert fault is not None
                told = error(fault)
                await self._body(told.status, told.raw, told.content_type, {**told.headers, **fault.headers})
            case "hang":
                await asyncio.sleep(FOREVER)
            case "malformed":
                await self._body(200, b'{"id": "chatcmpl-1", "choices": [{"mess')
            case "html":
                await self._body(200, b"<html><body>Welcome to nginx!</body></html>", "text/html")
            case "redirect":
                await self._body(302, b"", more={"location": "http://127.0.0.1:9/elsewhere"})
            case "huge":
                await self._head(200, JSON, {})
                for _ in range(_HUGE // len(_BLOCK)):
                    await self._chunk(_BLOCK)
                await self._send({"type": "http.response.body", "body": b"{}"})
            case _:
                return False
        return True

    async def whole(self, reply: Whole) -> None:
        """Send an answer of one body."""
        kind = self.fault.kind if self.fault is not None else ""
        content_type = "text/plain" if kind == "mislabelled" else reply.content_type
        if kind in ("cut", "stall", "drip"):
            length = {"content-length": str(len(reply.raw))}
            await self._head(reply.status, content_type, {**reply.headers, **length})
            await self._break(reply.raw, kind)
        else:
            await self._body(reply.status, reply.raw, content_type, reply.headers)

    async def frames(self, reply: Frames, *, error: Callable[[Fault], bytes], corrupt: Callable[[], bytes]) -> None:
        """Send an answer in frames."""
        fault = self.fault
        kind = fault.kind if fault is not None else ""
        await self._head(200, "text/plain" if kind == "mislabelled" else reply.content_type, reply.headers)
        frames = reply.frames
        if fault is not None and kind in ("cut", "stall", "error", "corrupt"):
            frames = islice(frames, fault.frames)
        for frame in frames:
            await self._frame(frame)
        if kind in ("cut", "stall") or (reply.binary and kind in ("error", "corrupt")):
            await self._end_badly(kind)
        if fault is not None and kind == "error":
            await self._frame(error(fault))
        if kind == "corrupt":
            await self._frame(corrupt())
        await self._send({"type": "http.response.body", "body": b""})

    async def _frame(self, frame: bytes) -> None:
        fault = self.fault
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "drip":
            await self._drip(frame, fault.seconds)
        else:
            await self._chunk(frame)
        self._seen.frames += 1

    async def _break(self, raw: bytes, kind: str) -> None:
        if kind == "drip":
            assert self.fault is not None
            await self._drip(raw, self.fault.seconds)
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._chunk(raw[: len(raw) // 2])
            await self._end_badly(kind)

    async def _drip(self, raw: bytes, seconds: float) -> None:
        for place in range(len(raw)):
            await asyncio.sleep(seconds)
            await self._chunk(raw[place : place + 1])

    async def _end_badly(self, kind: str) -> None:
        if kind == "stall":
            await asyncio.sleep(FOREVER)
        raise Broken

    async def _body(
        self, status: int, body: bytes, content_type: str = JSON, more: Mapping[str, str] | None = None
    ) -> None:
        await self._head(status, content_type, {"content-length": str(len(body)), **(more or {})})
        await self._send({"type": "http.response.body", "body": body})

    async def _head(self, status: int, content_type: str, more: Mapping[str, str]) -> None:
        self._seen.status = status
        named = {"content-type": content_type, **self._headers, **more}
        headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _chunk(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
