"""The relay byte by byte: what is passed on, what is refused before the gateway sees any of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workbench.testing.simulator import wait_until
from workbench.wire.key_file import MountedKey, write_key_file
from workbench_jupyter.relay.process import RelayProcess
from workbench_jupyter.relay.reference import new_reference, write_reference

KEY = "key-of-the-gateway"
DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Gateway:
    """Stands where a gateway listens: keeps what it reads, and answers what it is told to."""

    answer: bytes = DONE
    echoes: bool = False
    """Whether what comes after the head is sent back: a WebSocket, to the relay."""
    seen: bytes = b""
    connections: int = 0
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        answered = False
        with connection:
            while piece := connection.recv(65536):
                self.seen += piece
                if answered and self.echoes:
                    connection.sendall(piece)
                elif b"\r\n\r\n" in self.seen:
                    connection.sendall(self.answer)
                    answered = True


def listening() -> Iterator[Gateway]:
    gateway = Gateway()
    threading.Thread(target=gateway.serve, daemon=True).start()
    yield gateway
    gateway.listening.close()


gateway = pytest.fixture(listening, name="gateway")
another = pytest.fixture(listening, name="another")


@dataclass(frozen=True)
class Mounted:
    port: int
    key_file: Path
    reference: str

    def lead_to(self, gateway: Gateway) -> None:
        write_key_file(self.key_file, MountedKey(KEY, None, gateway.url))

    def say(self, head: str, body: bytes = b"") -> bytes:
        """Send a request as it stands; return all that comes back until the relay ends the connection or is done."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(head.replace("REFERENCE", self.reference).replace("\n", "\r\n").encode() + body)
            told = b""
            while not told.endswith((b"ok", b"}")):
                piece = connection.recv(65536)
                if not piece:
                    break
                told += piece
        return told


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    home = tmp_path_factory.mktemp("wire")
    key_file, reference = home / "keys" / "k.json", new_reference()
    write_key_file(key_file, MountedKey(KEY, None, "http://127.0.0.1:9"))
    write_reference(key_file, reference)
    process = RelayProcess()
    process.start(key_file.parent, home=home)
    assert process.settled(30)
    assert process.url, process.problem
    yield Mounted(int(process.url.rpartition(":")[2]), key_file, reference)
    process.close()


@pytest.fixture(autouse=True)
def _leads(relay: Mounted, gateway: Gateway) -> None:
    relay.lead_to(gateway)


START = "POST /v1/chat/completions HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer REFERENCE\n"


def test_the_key_stands_in_the_references_place_and_nothing_else_changes(relay: Mounted, gateway: Gateway) -> None:
    assert relay.say(f"{START}X-Own: kept\nContent-Length: 5\n\n", b"hello") == DONE
    assert f"Authorization: Bearer {KEY}\r\n".encode() in gateway.seen
    assert b"X-Own: kept\r\n" in gateway.seen
    assert f"host: {gateway.url.removeprefix('http://')}\r\n".encode() in gateway.seen
    assert gateway.seen.endswith(b"\r\n\r\nhello")
    assert relay.reference.encode() not in gateway.seen


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"{START}Content-Length: 3\nTransfer-Encoding: chunked\n\n", b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"),
        (f"{START}Content-Length: 3\nContent-Length: 4\n\n", b"abcd"),
        (f"{START}Transfer-Encoding: chunked, identity\n\n", b"0\r\n\r\n"),
        (f"{START}Content-Length: +3\n\n", b"abc"),
        (f"{START}X-Long: {'a' * 70_000}\n\n", b""),
        (START.replace("127.0.0.1", "evil.example.com") + "\n", b""),
        (START.replace("Host: 127.0.0.1", "Host: 127.0.0.1\nHost: evil.example.com") + "\n", b""),
        (START.replace("POST /v1/chat/completions", "GET http://evil.example.com/") + "\n", b""),
        (START.replace("POST /v1/chat/completions", "CONNECT evil.example.com:443") + "\n", b""),
        (START.replace("\nAuthorization", "\n Authorization") + "\n", b""),
        ("GARBAGE\n\n", b""),
    ],
    ids=[
        "two ways to tell the length", "two lengths", "another coding", "a signed length", "an endless head",
        "another host", "two hosts", "a whole URL", "CONNECT", "a folded line", "no HTTP",
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_never_reaches_the_gateway(
    relay: Mounted, gateway: Gateway, head: str, body: bytes
) -> None:
    told = relay.say(head, body)
    assert told.split(b" ")[1] in (b"400", b"401"), told
    error = json.loads(told.partition(b"\r\n\r\n")[2])["error"]
    assert error["message"]
    assert b"Authorization" not in gateway.seen
    assert KEY.encode() not in told + gateway.seen


def test_two_references_at_once_are_none(relay: Mounted, gateway: Gateway) -> None:
    told = relay.say(f"{START}x-api-key: {new_reference()}\n\n")
    assert told.startswith(b"HTTP/1.1 401")
    assert gateway.connections == 0


def test_a_websocket_passes_both_ways_as_it_is(relay: Mounted, gateway: Gateway) -> None:
    gateway.answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    gateway.echoes = True
    frames = bytes(range(256)) * 400
    head = START.replace("POST /v1/chat/completions", "GET /v1/realtime?model=m")
    head += "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as connection:
        connection.sendall(head.replace("REFERENCE", relay.reference).replace("\n", "\r\n").encode())
        told = b""
        while len(told) < len(gateway.answer):
            told += connection.recv(65536)
        assert told == gateway.answer
        connection.sendall(frames)
        back = b""
        while len(back) < len(frames):
            back += connection.recv(65536)
    assert back == frames
    assert f"Bearer {KEY}".encode() in gateway.seen


@pytest.mark.parametrize(
    ("length", "body"), [("Content-Length: 2", b"hi"), ("Transfer-Encoding: chunked", b"2\r\nhi\r\n0\r\n\r\n")]
)
def test_an_offer_of_http_2_is_not_passed_on_and_the_call_is(
    relay: Mounted, gateway: Gateway, length: str, body: bytes
) -> None:
    offer = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\n"
    assert relay.say(f"{START}{offer}{length}\n\n", body) == DONE
    wait_until(lambda: gateway.seen.endswith(b"\r\n\r\n" + body), "the body did not come")
    assert b"h2c" not in gateway.seen
    assert b"HTTP2-Settings" not in gateway.seen


def test_trailers_stay_behind(relay: Mounted, gateway: Gateway) -> None:
    assert relay.say(f"{START}Transfer-Encoding: chunked\n\n", b"2\r\nhi\r\n0\r\nX-Late: smuggled\r\n\r\n") == DONE
    wait_until(lambda: gateway.seen.endswith(b"0\r\n\r\n"), "the body did not end")
    assert b"X-Late" not in gateway.seen


def test_a_gateway_that_moved_is_followed_on_an_open_connection(
    relay: Mounted, gateway: Gateway, another: Gateway
) -> None:
    request = f"{START}Content-Length: 0\n\n".replace("REFERENCE", relay.reference).replace("\n", "\r\n").encode()
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as connection:
        for now in (gateway, another):
            relay.lead_to(now)
            connection.sendall(request)
            told = b""
            while not told.endswith(b"ok"):
                told += connection.recv(65536)
    assert (gateway.connections, another.connections) == (1, 1)


def test_an_answer_in_pieces_is_passed_on_piece_by_piece(relay: Mounted, gateway: Gateway) -> None:
    gateway.answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n"
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as connection:
        connection.sendall(f"{START}\n".replace("REFERENCE", relay.reference).replace("\n", "\r\n").encode())
        told = b""
        while not told.endswith(b"data: 1\n\n"):  # the gateway has not ended its answer, and never does
            told += connection.recv(65536)
    assert told == gateway.answer
