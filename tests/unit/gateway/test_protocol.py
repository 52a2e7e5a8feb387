"""Requests over raw sockets: what is plainly HTTP reaches the application, the rest is refused and the server lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from workbench.gateway import protocol as protocol_room
from workbench.gateway.protocol import ON_LEFT, GatewayProtocol
from workbench.testing.simulator import wait_until

LARGE = b"x" * 30_000_000


class Impatient(GatewayProtocol):
    head_seconds = body_seconds = idle_seconds = 0.3
    look_seconds = 0.05


class App:
    """Answers with what it saw: in pieces, before the body, never, or with a bad header, as the path says."""

    def __init__(self) -> None:
        self.saw: list[tuple[str, bytes]] = []
        self.left = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        scope[ON_LEFT](self._count)
        body = b""
        while path != "/early":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.saw.append((path, body))
        if path == "/slow":
            assert (await receive())["type"] == "http.disconnect"
        elif path == "/busy":
            await self._until_left(scope)
        elif path != "/nothing":
            await self._answer(path, body, send)

    async def _until_left(self, scope: Any) -> None:
        left = asyncio.Event()

        def leave() -> None:
            self._count()
            left.set()

        scope[ON_LEFT](leave)
        await left.wait()

    def _count(self) -> None:
        self.left += 1

    async def _answer(self, path: str, body: bytes, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        if path == "/bad":
            headers.append((b"x-bad", b"a\r\nx-injected: b"))
        elif path.startswith("/with/"):
            headers.append((b"x-with", b"a%bb" % bytes.fromhex(path.removeprefix("/with/"))))
        answer = [b"one", b"two", b""]
        if path == "/large":
            answer = [LARGE]
            headers.append((b"content-length", b"%d" % len(LARGE)))
        elif path != "/chunked":
            answer = [json.dumps({"path": path, "length": len(body)}).encode()]
            headers.append((b"content-length", b"%d" % len(answer[0])))
        await send({"type": "http.response.start", "status": 413 if path == "/early" else 200, "headers": headers})
        for piece in answer:
            await send({"type": "http.response.body", "body": piece, "more_body": piece is not answer[-1]})


@contextmanager
def served(protocol: type[GatewayProtocol], *, ws: Any = "none") -> Iterator[tuple[App, int]]:
    app = App()
    config = uvicorn.Config(app, http=protocol, lifespan="off", ws=ws, log_config=None, interface="asgi3")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield app, listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[App, int]]:
    with served(GatewayProtocol) as running:
        yield running


@pytest.fixture(scope="module")
def impatient() -> Iterator[tuple[App, int]]:
    with served(Impatient) as running:
        yield running


def exchange(port: int, *pieces: bytes, until_closed: bool = True) -> bytes:
    """Send pieces, each in a packet of its own; return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.02)
        if not until_closed:
            return connection.recv(65536)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    told = b""
    try:
        while data := connection.recv(65536):
            told += data
    except ConnectionResetError:
        pass
    return told


def alive(port: int) -> bool:
    return exchange(port, b"GET /well HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


_HOST = b"POST / HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize("request_", [
    pytest.param(_HOST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunked"),
    pytest.param(_HOST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", id="chunked and length"),
    pytest.param(_HOST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", id="two lengths"),
    pytest.param(_HOST + b"content-length: 3, 4\r\n\r\nabcd", id="a list of lengths"),
    pytest.param(_HOST + b"content-length: +3\r\n\r\nabc", id="a signed length"),
    pytest.param(_HOST + b"content-length: -1\r\n\r\nabc", id="a negative length"),
    pytest.param(_HOST + b"content-length: 99999999999999999999999\r\n\r\nabc", id="an overflowing length"),
    pytest.param(_HOST + b"x-a : b\r\n\r\n", id="space before the colon"),
    pytest.param(_HOST + b" x-a: b\r\n\r\n", id="space before the name"),
    pytest.param(_HOST + b"x-a\0b: c\r\n\r\n", id="NUL in a name"),
    pytest.param(_HOST + b"x-a: b\0c\r\n\r\n", id="NUL in a value"),
    pytest.param(_HOST + b"x-a: b\rc: d\r\n\r\n", id="a bare CR"),
    pytest.param(_HOST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked is not last"),
    pytest.param(_HOST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown coding"),
    pytest.param(b"GET /a\0b HTTP/1.1\r\nhost: a\r\n\r\n", id="NUL in the path"),
    pytest.param(b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", id="a space in the path"),
    pytest.param("GET /ä HTTP/1.1\r\nhost: a\r\n\r\n".encode(), id="raw UTF-8 in the path"),
    pytest.param(b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", id="a fragment"),
    pytest.param(b"GET http://127.0.0.1/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", id="an absolute target"),
    pytest.param(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n", id="CONNECT"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", id="an asterisk"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    pytest.param(b"GET /\r\n\r\n", id="HTTP/0.9"),
    pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="an unknown version"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    pytest.param(b"NONSENSE / HTTP/1.1\r\nhost: a\r\n\r\n", id="an unknown method"),
])  # fmt: skip
def test_what_is_not_plainly_http_is_refused(server: tuple[App, int], request_: bytes) -> None:
    app, port = server
    app.saw.clear()
    told = exchange(port, request_)
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), told
    assert b"connection: close" in head
    error = json.loads(body)["error"]
    assert (error["type"], error["actor"]) == ("invalid_request_error", "caller")
    assert not app.saw
    assert alive(port)


@pytest.mark.parametrize("chunks", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"3\nabc\n0\n\n", b"-3\r\nabc\r\n",
    b"3 \0\r\nabc\r\n0\r\n\r\n",
])  # fmt: skip
def test_a_bad_chunk_ends_the_request_and_the_connection(server: tuple[App, int], chunks: bytes) -> None:
    app, port = server
    app.saw.clear()
    told = exchange(port, _HOST + b"transfer-encoding: chunked\r\n\r\n", chunks)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1 4") == 1
    assert not app.saw
    assert alive(port)


@pytest.mark.parametrize("request_", [
    pytest.param([b"GET /" + b"a" * 100_000], id="a target without end"),
    pytest.param([b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 10_000], id="headers without end"),
    pytest.param([b"GET / HTTP/1.1\r\nx-a: " + b"b" * 100_000], id="a value without end"),
    pytest.param([b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 20_000 + b"\r\n"], id="a whole head that is too large"),
    pytest.param([_HOST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: b\r\n" * 10_000], id="trailers"),
    pytest.param([_HOST + b"transfer-encoding: chunked\r\n\r\n0\r\nx-a: ", b"b" * 100_000], id="a trailer"),
    pytest.param([_HOST + b"transfer-encoding: chunked\r\n\r\n1;a=", b"b" * 100_000], id="a chunk extension"),
])  # fmt: skip
def test_a_bomb_of_headers_is_refused(server: tuple[App, int], request_: list[bytes]) -> None:
    app, port = server
    app.saw.clear()
    told = exchange(port, *request_)
    assert told.startswith(b"HTTP/1.1 431 "), told
    assert not app.saw
    assert alive(port)


def test_a_body_in_the_smallest_chunks_is_no_bomb(server: tuple[App, int]) -> None:
    _, port = server
    told = exchange(
        port, _HOST + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 50_000, b"0\r\n\r\n"
    )
    assert told.endswith(b'"length": 50000}')


def test_a_request_that_comes_byte_by_byte_is_read_and_its_trailers_are_let_go(server: tuple[App, int]) -> None:
    app, port = server
    head = b"POST /a%20b?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = head + b"3\r\nabc\r\n0\r\nauthorization: x\r\n\r\n"
    app.saw.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for byte in text:
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert app.saw == [("/a b", b"abc")]


def test_requests_that_are_sent_ahead_are_answered_in_their_order(server: tuple[App, int]) -> None:
    _, port = server
    ahead = b"".join(b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi" % n for n in range(50))
    told = exchange(port, ahead + b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert [f'"path": "/{n}"'.encode() in told for n in range(50)] == [True] * 50
    assert told.index(b'"/7"') < told.index(b'"/8"') < told.index(b'"/last"')


def test_nonsense_behind_a_good_request_is_refused_after_its_answer(server: tuple[App, int]) -> None:
    app, port = server
    app.saw.clear()
    told = exchange(port, b"GET /good HTTP/1.1\r\nhost: a\r\n\r\nNONSENSE\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.count(b"HTTP/1.1 400 ") == 1
    assert [path for path, _ in app.saw] == ["/good"]


def test_a_large_body_arrives_whole(server: tuple[App, int]) -> None:
    app, port = server
    app.saw.clear()
    body = bytes(range(256)) * 4096 * 20
    told = exchange(port, _HOST + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body), body)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert app.saw == [("/", body)]


def test_a_client_that_asks_first_is_told_to_continue(server: tuple[App, int]) -> None:
    _, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(_HOST + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_head_leaves_with_the_bytes_that_follow_it(server: tuple[App, int]) -> None:
    _, port = server
    told = exchange(port, b"GET /chunked HTTP/1.1\r\nhost: a\r\n\r\n", until_closed=False)
    assert told.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert b"transfer-encoding: chunked\r\n" in told
    assert b"\r\n\r\n3\r\none\r\n" in told


def test_http_1_0_gets_its_answer_unchunked_and_the_end_of_the_connection(server: tuple[App, int]) -> None:
    _, port = server
    told = exchange(port, b"GET /chunked HTTP/1.0\r\n\r\n")
    assert told.endswith(b"connection: close\r\n\r\nonetwo")
    assert b"chunked" not in told.lower()


def test_head_has_no_body_and_the_connection_goes_on(server: tuple[App, int]) -> None:
    _, port = server
    told = exchange(
        port, b"HEAD /chunked HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    first, _, rest = told.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert rest.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("size", [70_000, 100_000, 300_000])
def test_a_caller_that_leaves_is_noticed_however_large_its_body_was(server: tuple[App, int], size: int) -> None:
    app, port = server
    before = app.left
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /busy HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
        wait_until(lambda: app.saw[-1:] == [("/busy", b"x" * size)], "the body did not come")
    wait_until(lambda: app.left == before + 1, "nobody noticed")


def test_a_caller_that_leaves_its_second_call_is_noticed(server: tuple[App, int]) -> None:
    app, port = server
    before = app.left
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /first HTTP/1.1\r\nhost: a\r\n\r\nGET /busy HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_until(lambda: app.saw[-1:] == [("/busy", b"")], "the second request did not come")
    wait_until(lambda: app.left == before + 1, "nobody noticed")


@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"])
def test_an_answer_that_nobody_takes_is_given_up_and_a_slow_reader_is_not(
    impatient: tuple[App, int], head: bytes
) -> None:
    _, port = impatient
    for pause, whole in ((2.0, False), (0.0, True)):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /large HTTP/1.1\r\nhost: a\r\n%b\r\n" % head)
            time.sleep(pause)
            told = 0
            with contextlib.suppress(ConnectionError):
                while told < len(LARGE) and (data := connection.recv(1_000_000)):
                    told += len(data)
                    time.sleep(0.0 if pause else 0.02)
        assert (told >= len(LARGE)) is whole


def test_behind_a_body_that_was_not_asked_for_comes_no_request(server: tuple[App, int]) -> None:
    app, port = server
    head = b"POST /early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 50\r\n\r\n"
    before = len(app.saw)
    told = exchange(port, head)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in told
    exchange(port, head, b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n" * 3)
    assert app.saw[before:] == [("/early", b"")] * 2


def test_a_body_is_never_lost_to_an_upgrade(server: tuple[App, int]) -> None:
    app, port = server
    before = len(app.saw)
    for wish in (b"Upgrade: h2c", b"upgrade:h2c", b"UPGRADE: TLS/1.0, h2c"):
        head = b"host: a\r\n%b\r\nconnection: Upgrade, HTTP2-Settings, close\r\nhttp2-settings: AAEAAEAA\r\n" % wish
        asked = b"POST /a HTTP/1.1\r\n%bcontent-length: 3\r\n\r\nabc" % head
        assert exchange(port, asked).startswith(b"HTTP/1.1 200 ")
    assert app.saw[before:] == [("/a", b"abc")] * 3


def test_a_wish_for_another_protocol_that_comes_in_pieces_is_refused_with_its_body(server: tuple[App, int]) -> None:
    app, port = server
    before = len(app.saw)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"POST /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nup")
        time.sleep(0.05)  # so that two reads are likely; with one the body is simply read
        connection.sendall(b"grade: h2c\r\ncontent-length: 3\r\n\r\nabc")
        told = connection.recv(65536)
    assert told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))
    assert app.saw[before:] in ([], [("/a", b"abc")])


def test_a_websocket_never_begins_in_the_middle_of_an_answer() -> None:
    with served(GatewayProtocol, ws="websockets-sansio") as (_, port):
        told = exchange(
            port,
            b"GET /first HTTP/1.1\r\nhost: a\r\n\r\nGET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n"
            b"upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
    answer, _, refused = told.partition(b'"length": 0}')
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert refused.startswith(b"HTTP/1.1 400 ")


def test_an_answer_before_the_body_leaves_the_connection_good(server: tuple[App, int]) -> None:
    _, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"x" * 1_000_000 + b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b'"/next"' in connection.recv(65536)


def test_a_body_that_nobody_reads_is_not_taken_for_ever(
    server: tuple[App, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = server
    monkeypatch.setattr(protocol_room, "_MOST_DISCARDED", 1_000_000)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        endless = (b"186a0\r\n" + b"x" * 100_000 + b"\r\n") * 300
        with pytest.raises(ConnectionError):
            connection.sendall(endless)
    assert alive(port)


def test_no_control_character_but_a_tab_passes_in_the_head_of_an_answer(server: tuple[App, int]) -> None:
    for code in range(256):
        head = exchange(server[1], b"GET /with/%02x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % code)
        passes = code == ord("\t") or (code >= 32 and code != 127)
        assert (b"\r\nx-with: a%bb\r\n" % bytes([code]) in head) == passes, code
        assert passes or not head.startswith(b"HTTP/1.1 200 "), code


def test_an_answer_with_a_header_inside_a_header_is_never_sent(server: tuple[App, int]) -> None:
    _, port = server
    for path in (b"/bad", b"/nothing"):
        assert exchange(port, b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path) == b""
    assert alive(port)


def test_an_upgrade_that_nobody_knows_is_answered_as_a_plain_request(server: tuple[App, int]) -> None:
    _, port = server
    told = exchange(port, b"GET /plain HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_is_told_of(server: tuple[App, int]) -> None:
    app, port = server
    left = app.left
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        app.saw.clear()
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_until(lambda: bool(app.saw), "the request did not arrive")
    wait_until(lambda: app.left == left + 1, "nobody was told")


@pytest.mark.parametrize("pieces", [
    [b"POST / HT"], [_HOST], [_HOST + b"content-length: 9\r\n\r\nabc"],
    [_HOST + b"transfer-encoding: chunked\r\n\r\n5\r\nab"],
])  # fmt: skip
def test_a_request_that_stops_half_way_is_timed_out(impatient: tuple[App, int], pieces: list[bytes]) -> None:
    app, port = impatient
    app.saw.clear()
    assert exchange(port, *pieces).startswith(b"HTTP/1.1 408 ")
    assert not app.saw


def test_a_head_that_drips_is_timed_out_all_the_same(impatient: tuple[App, int]) -> None:
    _, port = impatient
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.settimeout(0.05)
        for byte in b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 100:
            try:
                connection.sendall(bytes([byte]))
                told += connection.recv(65536)
                break
            except TimeoutError:
                continue
    assert told.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_read_to_its_end(impatient: tuple[App, int]) -> None:
    _, port = impatient
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(_HOST + b"content-length: 8\r\n\r\n")
        for byte in b"abcdefgh":
            time.sleep(0.1)
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_connection_without_requests_is_closed_and_one_that_waits_for_an_answer_is_not(
    impatient: tuple[App, int],
) -> None:
    _, port = impatient
    assert exchange(port) == b""
    assert exchange(port, b"GET /once HTTP/1.1\r\nhost: a\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
