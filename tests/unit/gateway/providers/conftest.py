"""Token servers of clouds, each an HTTP server of its own on loopback, with what it saw."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class TokenServer:
    """A server that answers as its table says."""

    url: str
    answer: Callable[[Asked], tuple[int, Any]]
    asked: list[Asked] = field(default_factory=list)


def _content_type(text: bytes) -> str:
    kinds = {
        b"\0": "application/vnd.amazon.eventstream",
        b"<": "text/xml",
        b"d": "text/event-stream",
        b"e": "text/event-stream",
    }
    return kinds.get(text[:1], "application/json")


@contextmanager
def _serving(answer: Callable[[Asked], tuple[int, Any]], *, certificate: Path | None = None) -> Iterator[TokenServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            told.asked.append(asked)
            status, value = told.answer(asked)
            text = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", _content_type(text))
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_GET  # noqa: N815 - names that the base class gives

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    told = TokenServer(f"{scheme}://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., TokenServer]]:
    """Start a server that answers each request with a status and a JSON value, or bytes."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda answer, **how: stack.enter_context(_serving(answer, **how))


@pytest.fixture(scope="session")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def service_account(private_key: str) -> Callable[[str], str]:
    """Write a service account's JSON for a token server."""
    return lambda token_uri: json.dumps(
        {"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "project_id": "p",
         "private_key_id": "1", "private_key": private_key, "token_uri": token_uri}
    )  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
