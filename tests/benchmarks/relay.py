"""The bare relay: uvicorn, uvloop and aiohttp, and nothing in between. What governing costs is measured against it."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn
import yarl

READY = "bare relay ready at "


class Relay:
    """An ASGI application that passes each request on as it came."""

    def __init__(self, upstream: str) -> None:
        self._url = yarl.URL(f"{upstream}/chat/completions")
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Relay one request, or live through the lifespan."""
        if scope["type"] == "lifespan":
            async with self._open():
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        assert self._session is not None
        async with self._session.post(self._url, data=body, headers={"content-type": "application/json"}) as answer:
            text = await answer.read()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": text})

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            yield


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        assert sockets
        print(f"{READY}http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream")
    relay = Relay(parser.parse_args().upstream)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(relay, loop="uvloop", http="httptools", ws="none", access_log=False, log_level="error")
    asyncio.set_event_loop_policy(None)
    _Server(config).run(sockets=[listening])
