"""How an answer ends for a client that does not read it."""

import asyncio
import contextlib
import socket

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from workbench.gateway import reply as reply_room
from workbench.gateway.protocol import ABORT, GatewayProtocol
from workbench.gateway.reply import Reply


async def test_a_client_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_room, "_LAST_SECONDS", 0.05)
    ended = asyncio.Event()

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(send, "req_1", abort=scope[ABORT])
        await reply.begin_stream([], kind=b"text/event-stream")
        try:
            async with asyncio.timeout(0.5):
                while True:
                    await reply.piece(b"x" * 1_000_000)
        except TimeoutError:
            await reply.last(b"the end")
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        config = uvicorn.Config(call, http=GatewayProtocol, lifespan="off", ws="none", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        await asyncio.to_thread(client.connect, listener.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 20)
        client.settimeout(20)

        def read_on() -> bytes:
            last = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(1_000_000):
                    last = last[-100:] + piece
            return last

        last = await asyncio.to_thread(read_on)  # returns: the connection is at its end
        assert b"the end" not in last
        assert not last.endswith(b"0\r\n\r\n")
        server.should_exit = True
        await serving


async def test_without_a_way_to_break_the_connection_the_answer_is_given_up_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reply_room, "_LAST_SECONDS", 0.01)

    async def stuck(_message: object) -> None:
        await asyncio.Event().wait()

    reply = Reply(stuck, "req_1")
    await asyncio.wait_for(reply.whole(200, b"{}"), 20)
    assert reply.ended
