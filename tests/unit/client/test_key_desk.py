"""The desk that gives keys, where the answer is long or is not one of a gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.client.key_desk import KeyDesk
from workbench.errors import GatewayUnreachable

KEY = {"id": "k", "revoked_at": None, "expires_at": None, "note": "n" * 1000}


@pytest.fixture
def desk_of() -> Iterator[Callable[[bytes], KeyDesk]]:
    """A desk at a server that always gives this answer."""
    servers: list[ThreadingHTTPServer] = []

    def start(raw: bytes) -> KeyDesk:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return KeyDesk(f"http://127.0.0.1:{server.server_port}", "identity")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_thousands_of_keys_are_listed(desk_of: Callable[[bytes], KeyDesk]) -> None:
    desk = desk_of(json.dumps({"data": [KEY] * 3000}).encode())
    assert len(desk.list(timeout=10)) == len(desk.live_keys(timeout=10)) == 3000


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b"{}", b'{"data": null}', b'{"data": [{}]}', b'{"data": ["k"]}'])
def test_what_is_no_list_of_keys_is_told_as_no_gateway(desk_of: Callable[[bytes], KeyDesk], raw: bytes) -> None:
    with pytest.raises(GatewayUnreachable, match="not a workbench gateway"):
        desk_of(raw).live_keys(timeout=10)


def test_an_answer_without_end_is_not_read_to_its_end(desk_of: Callable[[bytes], KeyDesk]) -> None:
    with pytest.raises(GatewayUnreachable, match="more than 32 MiB to GET /keys"):
        desk_of(b" " * (33 << 20)).list(timeout=10)
