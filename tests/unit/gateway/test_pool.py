"""The lean client takes what HTTP allows, and tells each way to fail apart."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from workbench.gateway.providers.pool import Answer, Pool, Unconnected

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[URL]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    try:
        yield URL(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x?a=b")
    finally:
        server.close()


def answering(*pieces: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return handle


@asynccontextmanager
async def opened(connect_seconds: float = 5) -> AsyncIterator[Pool]:
    pool = Pool(connect_seconds=connect_seconds)
    yield pool
    pool.close()


async def body_of(answer: Answer) -> bytes:
    read = b""
    while piece := await answer.readany():
        read += piece
    return read


@pytest.mark.parametrize(("pieces", "expected"), [
    ([OK], b"ok"),
    ([OK[:9], OK[9:30], OK[30:-1], OK[-1:]], b"ok"),
    ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"3\r\nabc\r\n2\r", b"\nde\r\n0\r\n\r\n"], b"abcde"),
    ([b"HTTP/1.1 200 OK\r\n\r\n", b"until the", b" end"], b"until the end"),
    ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", OK], b"ok"),
    ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
])  # fmt: skip
async def test_every_way_to_end_a_body_is_known(pieces: list[bytes], expected: bytes) -> None:
    async with serving(answering(*pieces)) as url, opened() as pool:
        answer = await pool.request("POST", url, b"{}", {"X-A": "b"})
        assert await body_of(answer) == expected
        assert answer.at_eof()
        assert "link" not in answer.headers


async def test_a_packed_body_is_unpacked_piece_by_piece() -> None:
    plain = b"0123456789" * 1_000_000
    packed = gzip.compress(plain)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    async with serving(answering(head + packed)) as url, opened() as pool:
        answer = await pool.request("POST", url, b"{}", {})
        first = await answer.readany()
        assert len(first) <= 1024 * 1024
        assert first + await body_of(answer) == plain


@pytest.mark.parametrize("pause", [0, 1])
async def test_a_packed_body_without_its_end_is_never_whole(pause: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 1000)[:-20]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    pieces = (head + packed[:-pause], packed[-pause:]) if pause else (head + packed,)
    async with serving(answering(*pieces)) as url, opened() as pool:
        answer = await pool.request("POST", url, b"{}", {})
        with pytest.raises(aiohttp.ClientPayloadError):
            await body_of(answer)


async def test_a_packed_answer_without_a_body_is_whole() -> None:
    empty = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n"
    async with serving(answering(empty)) as url, opened() as pool:
        assert await body_of(await pool.request("POST", url, b"{}", {})) == b""


@pytest.mark.parametrize(("pieces", "error"), [
    ([], aiohttp.ServerDisconnectedError),
    ([b"HTTP/1.1 200 OK\r\ncontent-le"], aiohttp.ClientPayloadError),
    ([b"220 smtp.example.com ESMTP\r\n"], aiohttp.ClientPayloadError),
    ([b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"], aiohttp.ClientPayloadError),
    ([b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * 100_000], aiohttp.ClientPayloadError),
    ([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"], aiohttp.ClientPayloadError),
])  # fmt: skip
async def test_what_is_no_answer_is_told_apart(pieces: list[bytes], error: type[Exception]) -> None:
    async with serving(answering(*pieces)) as url, opened() as pool:
        with pytest.raises(error):
            await pool.request("POST", url, b"{}", {})


@pytest.mark.parametrize("start", [
    b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
])  # fmt: skip
async def test_a_body_that_breaks_off_is_never_whole(start: bytes) -> None:
    async with serving(answering(start)) as url, opened() as pool:
        answer = await pool.request("POST", url, b"{}", {})
        with pytest.raises(aiohttp.ClientPayloadError):
            await body_of(answer)


async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request with the port of its connection and the request's head."""
    port = writer.get_extra_info("peername")[1]
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        told = b"%d\n%b" % (port, head)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told))


async def test_a_connection_serves_one_call_after_the_other_and_never_two_at_once() -> None:
    async with serving(counting) as url, opened() as pool:
        ports = [(await body_of(await pool.request("POST", url, b"{}", {}))).split(b"\n")[0] for _ in range(5)]
        assert len(set(ports)) == 1
        answers = await asyncio.gather(*(pool.request("POST", url, b"{}", {}) for _ in range(5)))
        assert len({(await body_of(answer)).split(b"\n")[0] for answer in answers}) == 5


async def test_the_head_of_a_request_is_the_gateways() -> None:
    headers = {"Authorization": "Bearer x", "Host": "elsewhere", "Content-Length": "99", "Transfer-Encoding": "chunked"}
    async with serving(counting) as url, opened() as pool:
        told = await body_of(await pool.request("POST", url, b"abc", headers))
        lines = told.decode().split("\n", 1)[1].split("\r\n")
        assert lines == [
            "POST /v1/x?a=b HTTP/1.1", f"Host: 127.0.0.1:{url.port}",
            "Authorization: Bearer x", "Content-Length: 3", "", "",
        ]  # fmt: skip
        with pytest.raises(aiohttp.ClientError):
            await pool.request("POST", url, b"", {"X-A": "b\r\nX-C: d"})


async def test_a_large_body_and_a_large_answer_pass_whole() -> None:
    large = bytes(range(256)) * 40_000

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(large))
        writer.write(await reader.readexactly(len(large)))
        await writer.drain()

    async with serving(mirror) as url, opened() as pool:
        answer = await pool.request("POST", url, large, {})
        await asyncio.sleep(0.1)  # what nobody reads is not gathered without end
        assert answer._size < 2 * 1024 * 1024
        assert await body_of(answer) == large


async def test_a_stale_connection_is_the_callers_affair_but_for_requests_that_may_be_repeated() -> None:
    connections = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")  # and no answer to the second

    async with serving(once) as url, opened() as pool:
        await body_of(await pool.request("POST", url, b"", {}))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await pool.request("POST", url, b"", {})
        await body_of(await pool.request("GET", url, b"", {}))
        await body_of(await pool.request("GET", url, b"", {}))
        assert connections == 3


async def test_an_answer_that_is_closed_or_given_up_closes_its_connection() -> None:
    ended = asyncio.Event()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"X-Head" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
        try:
            await reader.read()
        finally:
            ended.set()

    async with serving(watch) as url, opened() as pool:
        (await pool.request("POST", url, b"", {"X-Head": "yes"})).close()
        await asyncio.wait_for(ended.wait(), 5)
        ended.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.request("POST", url, b"", {})
        await asyncio.wait_for(ended.wait(), 5)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True, capture_output=True
    )  # fmt: skip
    return tmp_path / "cert.pem"


async def test_each_way_not_to_connect_is_told(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with opened() as pool:
        with pytest.raises(Unconnected, match="Connection refused"):
            await pool.request("POST", URL("http://127.0.0.1:9/"), b"", {})
        async with serving(answering(OK), tls=tls) as url:
            with pytest.raises(Unconnected, match="certificate"):
                await pool.request("POST", url, b"", {})
            pool._tls = ssl.create_default_context(cafile=str(certificate))
            pool._tls.check_hostname = False
            assert await body_of(await pool.request("POST", url, b"", {})) == b"ok"


async def test_looking_up_a_name_counts_as_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(*_: object, **_options: object) -> None:
        await asyncio.sleep(60)

    async with opened(connect_seconds=0.05) as pool:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", forever)
        with pytest.raises(TimeoutError):
            await pool.request("POST", URL("http://slow.example.com/"), b"", {})


async def test_what_follows_an_answer_is_never_a_part_of_the_next() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"HTTP/1.1 200 OK\r\nx-left: over\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"content-length: 4\r\n\r\nevil")
        await writer.drain()

    async with serving(talkative) as url, opened() as pool:
        assert await body_of(await pool.request("POST", url, b"", {})) == b"ok"
        assert await body_of(await pool.request("POST", url, b"", {})) == b"ok"
