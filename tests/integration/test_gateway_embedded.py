"""The embedded gateway: found by its file, held by leases, gone with the last of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from filelock import FileLock

from workbench.testing.gateway import READY, running_gateway
from workbench.testing.simulator import wait_until
from workbench.wire.embedded import read_record

HTTP = httpx.Client(timeout=120)
LOCAL = """
[[models]]
name = "smollm2-135m"
deployments = [{ provider = "local", model = "smollm2-135m" }]
[providers.local]
kind = "local"
"""


class Lease:
    def __init__(self, home: Path, name: str) -> None:
        (home / "leases").mkdir(exist_ok=True)
        self.lock = FileLock(home / "leases" / f"{name}.lock", thread_local=False)
        self.lock.acquire()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def status(url: str, key: str) -> tuple[int, str | None]:
    answer = HTTP.get(f"{url}/me", headers={"authorization": f"Bearer {key}"})
    return answer.status_code, answer.json().get("error", {}).get("code")


def test_it_is_found_by_its_file_and_ends_with_the_last_lease(home: Path) -> None:
    first, second = Lease(home, "a1"), Lease(home, "b2")
    with running_gateway(home, arguments=("--embedded",)) as gateway:
        record = read_record(home)
        assert record is not None
        assert (record.pid, record.url) == (gateway.process.pid, gateway.url)
        mine, other = gateway.issue_key(lease="a1"), gateway.issue_key(lease="b2")
        assert status(gateway.url, mine) == (200, None)
        first.lock.release()
        wait_until(lambda: status(gateway.url, mine) == (401, "revoked"), "the key outlived its lease")
        assert status(gateway.url, other) == (200, None)
        second.lock.release()
        assert gateway.process.wait(30) == 0
    assert read_record(home) is None
    assert list((home / "leases").iterdir()) == []


def test_keys_of_leases_that_died_meanwhile_are_revoked_at_the_next_start(home: Path) -> None:
    lease = Lease(home, "a1")
    with running_gateway(home, arguments=("--embedded",)) as gateway:
        key = gateway.issue_key(lease="a1")
        gateway.process.kill()
        gateway.process.wait()
    lease.lock.release()
    other = Lease(home, "b2")
    with running_gateway(home, arguments=("--embedded",)) as gateway:
        wait_until(lambda: status(gateway.url, key) == (401, "revoked"), "the key outlived its lease")
    other.lock.release()


def test_a_home_has_one_and_a_taken_port_is_left_for_another(home: Path, tmp_path: Path) -> None:
    lease = Lease(home, "a1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running_gateway(home, arguments=("--embedded", "--port", str(port))) as gateway:
            assert not gateway.url.endswith(f":{port}")
        command = [sys.executable, "-m", "workbench.gateway", "--port", str(port)]
        done = subprocess.run(
            command,
            env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "other")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr
    lease.lock.release()


def test_a_state_of_a_newer_program_is_refused_in_one_line(home: Path) -> None:
    with running_gateway(home) as gateway:
        assert gateway.stop() == 0
    with sqlite3.connect(home / "state.db") as connection:
        connection.execute("UPDATE workbench_schema SET version = 99")
    command = [sys.executable, "-m", "workbench.gateway", "--port", "0"]
    done = subprocess.run(
        command, env={**os.environ, "WORKBENCH_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: The state database has schema 99")
    assert "Traceback" not in done.stderr
    assert READY not in done.stdout


def test_a_wrong_configuration_ends_with_2_and_tells_everything(home: Path) -> None:
    (home / "workbench.toml").write_text('[gateway]\nprot = 1\nstage = "prod"\n')
    command = [sys.executable, "-m", "workbench.gateway", "--config", str(home / "workbench.toml")]
    done = subprocess.run(
        command, env={**os.environ, "WORKBENCH_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "prot" in done.stderr
    assert "stage" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_local_models_answer_and_leave_no_orphan(model_home: Path, how: signal.Signals) -> None:
    with running_gateway(model_home, config=LOCAL) as gateway:
        key = gateway.issue_key()
        assert psutil.Process(gateway.process.pid).children() == []
        body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
        headers = {"authorization": f"Bearer {key}"}
        answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]
        assert answer.headers["x-workbench-cost-usd"] == "0"
        children = psutil.Process(gateway.process.pid).children()
        assert children
        stream = HTTP.post(f"{gateway.url}/v1/chat/completions", json={**body, "stream": True}, headers=headers)
        assert stream.text.rstrip().endswith("data: [DONE]")
        (row,) = HTTP.get(
            f"{gateway.url}/me/calls", params={"request_id": stream.headers["x-request-id"]}, headers=headers
        ).json()["data"]
        assert (row["outcome"], row["cost_usd"], row["cost_source"]) == ("ok", 0.0, "local")
        assert row["output_tokens"] == 4
        gateway.process.send_signal(how)
        gateway.process.wait(60)
        _gone, alive = psutil.wait_procs(children, timeout=15)
        assert alive == []
        assert json.loads(answer.content)["usage"]
