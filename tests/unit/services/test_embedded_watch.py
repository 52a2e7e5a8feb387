"""Starting the embedded gateway and watching over it, with something in the way: what it may not do, it does later."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from workbench.errors import Unavailable
from workbench.services import EmbeddedGateway
from workbench.testing.simulator import wait_until
from workbench.wire.embedded import OWNER_TOKEN, GatewayRecord, write_record

STAND_IN = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server = HTTPServer(("127.0.0.1", 0), Healthy)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def gateway_of(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Run what looks like the home's gateway to those who attach."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", STAND_IN, "workbench.gateway"], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        write_record(home, GatewayRecord(pid=process.pid, url=url))
        return process

    (home / OWNER_TOKEN).write_text("owner")
    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_start_that_the_machine_refuses_is_told_and_tried_again(home: Path, gateway_of) -> None:
    first = gateway_of()
    gateway = EmbeddedGateway(home)
    assert gateway.attach().pid == first.pid
    try:
        lock = home / "gateway.start.lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()  # it can't be opened
        first.kill()
        first.wait()
        wait_until(lambda: gateway.last_error is not None, "the refusal was not told")
        assert isinstance(gateway.last_error, Unavailable)
        assert "IsADirectoryError" in str(gateway.last_error)

        second = gateway_of()
        lock.rmdir()
        wait_until(lambda: gateway.address is not None and gateway.address.pid == second.pid, "the watch has ended")
        assert gateway.last_error is None
    finally:
        gateway.close()


def test_no_gateway_is_started_beside_one_that_is_leaving(home: Path) -> None:
    with FileLock(home / "gateway.lock"), pytest.raises(Unavailable, match="it is ending"):
        EmbeddedGateway(home, start_timeout=1.0).attach()
    assert not (home / "logs").exists()


def test_the_home_of_a_gateway_that_leaves_is_waited_for(home: Path, gateway_of) -> None:
    leaving = FileLock(home / "gateway.lock", thread_local=False)
    leaving.acquire()
    gateway = EmbeddedGateway(home)
    with ThreadPoolExecutor(1) as thread:
        attaching = thread.submit(gateway.attach)
        wait_until((home / "gateway.start.lock").exists, "nobody wants to start one")
        following = gateway_of()
        leaving.release()
        assert attaching.result(30).pid == following.pid
    gateway.close()
    assert not (home / "logs").exists()
