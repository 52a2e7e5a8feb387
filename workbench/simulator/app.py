"""The simulator's ASGI application: the providers' paths, and `/simulator/...` to lay faults and read the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from types import ModuleType
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from workbench.simulator import anthropic, openai
from workbench.simulator.faults import Fault, Faults
from workbench.simulator.recording import Recording, Seen

CREDENTIAL = "simulated-credential"
"""The key that simulated providers take."""

TRANSPORT = "simulator.transport"
"""Where the server puts a request's connection, so that it can be reset."""

_FOREVER = 3600.0
_HUGE = 300 * 1024 * 1024
_BLOCK = b" " * (1024 * 1024)


class _Broken(Exception):
    """The connection is to be closed without a proper end."""


@dataclass(frozen=True, slots=True)
class _Path:
    """One path of one protocol."""

    protocol: ModuleType
    plain: Callable[[dict[str, Any]], dict[str, Any]]
    frames: Callable[[dict[str, Any]], Iterator[bytes]] | None
    needs: str


_PATHS = {
    "/v1/chat/completions": _Path(openai, openai.plain, openai.frames, "messages"),
    "/v1/embeddings": _Path(openai, openai.embeddings, None, "input"),
    "/v1/messages": _Path(anthropic, anthropic.plain, anthropic.frames, "messages"),
}


class Simulator:
    """The state of one simulator; itself the ASGI endpoint of every provider's path."""

    def __init__(self, *, credential: str = CREDENTIAL) -> None:
        self.faults = Faults()
        self.recording = Recording()
        self._credential = credential

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or fail as told."""
        request = Request(scope, receive)
        path = _PATHS[scope["path"]]
        raw = await request.body()
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        seen = self.recording.begin(path=request.url.path, headers=dict(request.headers), body=body)
        answering = asyncio.ensure_future(self._answer(path, seen, send, scope.get(TRANSPORT)))
        leaving = asyncio.ensure_future(_left(receive))
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
            if seen.ended == "open":
                seen.ended = "client_left"
            return
        try:
            answering.result()
        except _Broken:
            seen.ended = "broken"
            raise
        if seen.ended == "open":
            seen.ended = "answered"

    async def _answer(self, path: _Path, seen: Seen, send: Send, transport: asyncio.Transport | None) -> None:
        body, headers = seen.body, seen.headers
        if path.protocol.credential(headers) != self._credential:
            await _send(send, seen, 401, path.protocol.error(401, "Incorrect API key provided."))
            return
        if not isinstance(body, dict) or not body.get(path.needs) or not isinstance(body.get("model"), str):
            await _send(send, seen, 400, path.protocol.error(400, f"model and {path.needs} are required."))
            return
        fault = self.faults.next_for(body["model"])
        if fault is not None and fault.kind == "reset" and transport is not None:
            seen.ended = "broken"
            transport.abort()
            await asyncio.sleep(_FOREVER)  # until the server has noticed
        if fault is not None and await _fail(fault, path, seen, send):
            return
        if body.get("stream") and path.frames is not None:
            frames = path.frames(body)
            if fault is not None and fault.kind == "error":
                frames = chain(islice(frames, fault.frames), [path.protocol.error_event(fault.message)])
            await _stream(send, seen, frames, fault)
        else:
            await _send(send, seen, 200, path.plain(body), cut=fault is not None and fault.kind == "cut")


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _fail(fault: Fault, path: _Path, seen: Seen, send: Send) -> bool:
    """Fail in the place of an answer; return whether that was all."""
    match fault.kind:
        case "status":
            await _send(send, seen, fault.status, path.protocol.error(fault.status, fault.message), more=fault.headers)
        case "hang":
            await asyncio.sleep(_FOREVER)
        case "malformed":
            await _send(send, seen, 200, b'{"id": "chatcmpl-1", "choices": [{"mess')
        case "html":
            await _send(send, seen, 200, b"<html><body>Welcome to nginx!</body></html>", kind=b"text/html")
        case "redirect":
            await _send(send, seen, 302, b"", more={"location": "http://127.0.0.1:9/elsewhere"})
        case "huge":
            await _send_huge(send, seen)
        case _:
            return False
    return True


async def _send(
    send: Send,
    seen: Seen,
    status: int,
    content: dict[str, Any] | bytes,
    *,
    more: dict[str, str] | None = None,
    kind: bytes = b"application/json",
    cut: bool = False,
) -> None:
    seen.status = status
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", b"upstream-simulated"),
        *((name.encode(), value.encode()) for name, value in (more or {}).items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if cut:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise _Broken
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, seen: Seen, frames: Iterator[bytes], fault: Fault | None) -> None:
    seen.status = 200
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-request-id", b"upstream-simulated")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, event in enumerate(frames):
        if fault is not None and fault.kind in ("cut", "stall") and number == fault.frames:
            if fault.kind == "cut":
                raise _Broken
            await asyncio.sleep(_FOREVER)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        await send({"type": "http.response.body", "body": event, "more_body": True})
        seen.frames += 1
    await send({"type": "http.response.body", "body": b""})


async def _send_huge(send: Send, seen: Seen) -> None:
    seen.status = 200
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    for _ in range(_HUGE // len(_BLOCK)):
        await send({"type": "http.response.body", "body": _BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b"{}"})


def create_app(simulator: Simulator) -> Starlette:
    """Return the application around a simulator."""

    async def lay(request: Request) -> Response:
        try:
            simulator.faults.add(msgspec.json.decode(await request.body(), type=Fault))
        except (msgspec.DecodeError, ClientDisconnect) as error:
            return JSONResponse({"error": {"message": str(error)}}, status_code=400)
        return Response(status_code=204)

    async def clear(_request: Request) -> Response:
        simulator.faults.clear()
        simulator.recording.clear()
        return Response(status_code=204)

    async def recorded(_request: Request) -> Response:
        return Response(msgspec.json.encode({"data": simulator.recording.requests}), media_type="application/json")

    return Starlette(
        routes=[
            *(Route(path, simulator, methods=["POST"]) for path in _PATHS),
            Route("/simulator/faults", lay, methods=["POST"]),
            Route("/simulator/requests", recorded),
            Route("/simulator", clear, methods=["DELETE"]),
        ]
    )
