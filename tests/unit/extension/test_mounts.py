"""Mounting where the gateway hangs, or the kernel or the server ends before the key has come."""

import asyncio
import json
import socket
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.client.find import find_keys
from workbench.errors import InvalidInput, Unavailable
from workbench.settings import mounted_environment
from workbench_jupyter import broker as broker_module
from workbench_jupyter.broker import Broker
from workbench_jupyter.ipython import KernelKey
from workbench_jupyter.mounts import Mounts


@pytest.fixture
def configure(home, monkeypatch):
    """Name a gateway in the environment; requests to it are given up soon."""
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", "identity")
    monkeypatch.setattr(broker_module, "REQUEST_TIMEOUT", 1.0)
    return lambda url: monkeypatch.setenv("WORKBENCH_GATEWAY_URL", url)


@pytest.fixture
def hanging():
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Keys:
    """A gateway's `/keys` that issues when it is let to."""

    def __init__(self):
        self.live, self.asked, self.may_issue = set(), threading.Event(), threading.Event()
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                keys.asked.set()
                keys.may_issue.wait(10)
                keys.live.add("k1")
                self._answer(201, {"id": "k1", "key": "wbx-k1", "expires_at": None})

            def do_DELETE(self):
                keys.live.discard(self.path.rpartition("/")[2])
                self._answer(200, {})

            def _answer(self, status, body):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def keys():
    started = Keys()
    yield started
    started.server.shutdown()
    started.server.server_close()


@asynccontextmanager
async def mounting():
    mounts = Mounts(Broker())
    try:
        yield mounts
    finally:
        await mounts.close()


def test_a_gateway_that_hangs_blocks_neither_the_kernel_nor_the_server(configure, hanging):
    configure(hanging)

    async def trip():
        async with mounting() as mounts:
            turns = 0
            mount = asyncio.ensure_future(mounts.mount("k", {}))
            while not mount.done():
                turns += 1
                await asyncio.sleep(0.01)
            return turns, Path((await mount)["WORKBENCH_KEY_FILE"]).name, mounts.all[0].error

    turns, name, error = asyncio.run(trip())
    assert turns > 5
    assert name == "k.json"
    assert hanging in str(error)


def test_a_kernel_that_ends_while_its_key_is_made_leaves_neither_key_nor_file(configure, keys, home):
    configure(keys.url)

    async def trip():
        async with mounting() as mounts:
            mount = asyncio.ensure_future(mounts.mount("k", {}))
            await asyncio.to_thread(keys.asked.wait, 10)
            unmount = asyncio.ensure_future(mounts.unmount("k"))
            keys.may_issue.set()
            await asyncio.gather(mount, unmount)
            return list(home.rglob("k.*"))

    assert asyncio.run(trip()) == []
    assert keys.live == set()


def test_a_server_that_stops_while_a_key_is_made_leaves_neither_key_nor_file(configure, keys, home):
    configure(keys.url)

    async def trip():
        async with mounting() as mounts:
            mount = asyncio.ensure_future(mounts.mount("k", {}))
            await asyncio.to_thread(keys.asked.wait, 10)
            closing = asyncio.ensure_future(mounts.close())
            await asyncio.sleep(0)
            keys.may_issue.set()
            await asyncio.gather(mount, closing)

    asyncio.run(trip())
    assert keys.live == set()
    assert list(home.rglob("k.*")) == []


def test_after_the_end_a_kernel_still_starts_and_gets_nothing(configure, keys, home):
    configure(keys.url)
    keys.may_issue.set()

    async def trip():
        mounts = Mounts(Broker())
        await mounts.open()
        await mounts.close()
        return await mounts.mount("k", {"PATH": "/bin"})

    assert "OPENAI_API_KEY" not in asyncio.run(trip())
    assert keys.live == set()
    assert list(home.rglob("k.*")) == []


def test_a_key_that_can_not_be_written_does_not_live_on(configure, keys):
    configure(keys.url)
    keys.may_issue.set()

    async def trip():
        async with mounting() as mounts:
            folder = await mounts.open()
            folder.key_file("k").mkdir()  # where the key file would stand
            await mounts.mount("k", {})
            assert mounts.all[0].key_id is None
            async with asyncio.timeout(20):
                while keys.live:  # noqa: ASYNC110 - the other side of a socket sets no event
                    await asyncio.sleep(0.02)

    asyncio.run(trip())


def test_a_kernel_starts_and_says_why_where_there_is_no_place_for_its_key_file(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))

    async def trip():
        async with mounting() as mounts:
            return await mounts.mount("k", {"PATH": "/bin", "JUPYTERHUB_API_TOKEN": "hub"})

    environ = asyncio.run(trip())
    assert environ["PATH"] == "/bin"
    assert "hub" not in environ.values()
    told = KernelKey(environ).refresh()
    assert "No key is mounted in this kernel" in told[0]
    assert str(tmp_path / "file") in told[0]
    assert "WORKBENCH_HOME" in told[0]
    with pytest.raises(InvalidInput, match="Restart the kernel"):
        find_keys(mounted=mounted_environment(environ)).current()


def test_a_key_file_that_cannot_be_written_is_told_and_the_key_follows_when_it_can(configure, keys):
    configure(keys.url)
    keys.may_issue.set()

    async def trip():
        async with mounting() as mounts:
            in_the_way = (await mounts.open()).key_file("k")
            in_the_way.mkdir()
            environ = await mounts.mount("k", {})
            (mounted,) = mounts.all
            in_the_way.rmdir()
            async with asyncio.timeout(20):
                while mounts.all[0].key_id is None:  # noqa: ASYNC110 - it is polled as a reader would
                    await asyncio.sleep(0.02)
            return environ, mounted.error, in_the_way, json.loads(in_the_way.read_text())["key"]

    environ, error, file, key = asyncio.run(trip())
    assert environ["WORKBENCH_KEY_FILE"] == str(file)
    assert isinstance(error, Unavailable)
    assert f"{file} can't be written" in str(error)
    assert key == "wbx-k1"
