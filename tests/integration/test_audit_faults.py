"""What is answered is on record, whatever happens: a kill under load, a full disk, a store that is elsewhere."""

import concurrent.futures
import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from workbench.client.key_desk import KeyDesk
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.lake import Lake
from workbench.gateway.audit.verify import verify
from workbench.gateway.state import State
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

HTTP = httpx.Client(trust_env=False)
"""One for all: making another costs more than a call."""
AT_STORE = """
[state]
lake = "s3://ledger/of/the/gateway"
[audit]
ship_every = 0.2
"""
Fill = Callable[[RunningGateway], Callable[[], None]]
"""Makes a disk full; what it returns makes room again."""


@contextlib.contextmanager
def gateway_at(home: Path, providers: SimulatedProviders, more: str = "") -> Iterator[RunningGateway]:
    environ = {KEY_VARIABLE: providers.credential}
    with running_gateway(home, config=simulated_config(providers) + more, environ=environ) as gateway:
        yield gateway


def ask(gateway: RunningGateway, key: str, *, stream: bool = False) -> httpx.Response:
    body = {"model": "chatty", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    headers = {"Authorization": f"Bearer {key}"}
    return HTTP.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def recorded(home: Path) -> set[str]:
    with sqlite3.connect(home / "ledger" / "calls.db") as connection:
        return {row[0] for row in connection.execute("SELECT request_id FROM calls")}


def findings(home: Path) -> list[str]:
    state = State(f"sqlite:///{home}/state.db")
    state.open()
    try:
        verdict = verify(spool=home / "ledger" / "calls.db", lake=None, anchors=Anchors(state))
    finally:
        state.close()
    return [finding.text for finding in verdict.findings]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_under_load_loses_no_answered_call(providers: SimulatedProviders, tmp_path: Path, workers: int) -> None:
    home = tmp_path / "home"
    answered: set[str] = set()
    key = ""

    def go_on(gateway: RunningGateway, *, stream: bool) -> None:
        with contextlib.suppress(httpx.HTTPError):
            while True:
                answer = ask(gateway, key, stream=stream)
                assert answer.status_code == 200, answer.text
                answered.add(answer.headers["x-request-id"])

    for enough in (40, 80):
        with running_gateway(
            home, config=simulated_config(providers), environ={KEY_VARIABLE: providers.credential},
            arguments=("--workers", str(workers)),
        ) as gateway, concurrent.futures.ThreadPoolExecutor(6) as pool:  # fmt: skip
            key = key or KeyDesk(gateway.url, gateway.owner_token).issue_any({"kind": "production"}, timeout=30).key
            loads = [pool.submit(go_on, gateway, stream=number % 2 == 0) for number in range(6)]
            wait_until(
                lambda enough=enough, loads=loads: len(answered) >= enough or any(load.done() for load in loads),
                "no load came", seconds=60,
            )  # fmt: skip
            end(gateway)
            for load in loads:
                load.result(timeout=60)
    assert len(answered) >= 80
    assert answered <= recorded(home)
    assert findings(home) == []


def end(gateway: RunningGateway) -> None:
    """Kill a gateway and its workers at once."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(gateway.process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait(timeout=10)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def by_limit(gateway: RunningGateway) -> Callable[[], None]:
    """Let no file of the gateway's grow."""
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (512, hard))
    return lambda: resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (hard, hard)) and None


def by_filler(gateway: RunningGateway) -> Callable[[], None]:
    """Fill the file system that the home is on."""
    filler = gateway.home / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler.unlink


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may mount nothing")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def readiness(gateway: RunningGateway) -> int:
    return HTTP.get(f"{gateway.url}/readyz", timeout=30).status_code


def refuse_and_recover(gateway: RunningGateway, providers: SimulatedProviders, fill: Fill) -> None:
    key = gateway.issue_key()
    assert ask(gateway, key).status_code == 200
    make_room = fill(gateway)
    first = ask(gateway, key)  # it is answered, or its row is what finds the disk full
    wait_until(lambda: ask(gateway, key).status_code == 503, "calls are answered unaudited", seconds=60)
    providers.clear()
    refused = ask(gateway, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert providers.requests == []
    assert HTTP.get(f"{gateway.url}/healthz").status_code == 200
    assert readiness(gateway) == 503
    make_room()
    wait_until(lambda: readiness(gateway) == 200, "it did not recover", seconds=60)
    last = ask(gateway, key)
    assert last.status_code == 200
    assert gateway.stop() == 0
    assert {first.headers["x-request-id"], last.headers["x-request-id"]} <= recorded(gateway.home)
    assert findings(gateway.home) == []


def test_files_that_cannot_grow_refuse_new_calls_and_recover(providers: SimulatedProviders, tmp_path: Path) -> None:
    with gateway_at(tmp_path / "home", providers) as gateway:
        refuse_and_recover(gateway, providers, by_limit)


def test_a_full_disk_refuses_new_calls_and_recovers(providers: SimulatedProviders, small_disk: Path) -> None:
    with gateway_at(small_disk / "home", providers) as gateway:
        refuse_and_recover(gateway, providers, by_filler)


def test_by_policy_calls_are_answered_while_the_disk_is_full_and_recorded_later(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    with gateway_at(tmp_path / "home", providers, '[audit]\nwhen_full = "answer"\n') as gateway:
        key = gateway.issue_key()
        make_room = by_limit(gateway)
        answers = [ask(gateway, key) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        ids = {answer.headers["x-request-id"] for answer in answers}
        assert not ids <= recorded(gateway.home)
        make_room()
        wait_until(lambda: ids <= recorded(gateway.home), "the rows did not come", seconds=60)
        assert gateway.stop() == 0
    assert findings(tmp_path / "home") == []


def test_a_lake_at_an_object_store_holds_what_a_folder_would(
    providers: SimulatedProviders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environ = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3").create_bucket(Bucket="ledger")
        lake = Lake("s3://ledger/of/the/gateway")
        assert lake.parts() == []
        with running_gateway(
            tmp_path / "home",
            config=simulated_config(providers)
            + '[state]\nlake = "s3://ledger/of/the/gateway"\n[audit]\nship_every = 0.2\n',
            environ={KEY_VARIABLE: providers.credential, **environ},
        ) as gateway:
            key = gateway.issue_key()
            ids = {ask(gateway, key).headers["x-request-id"] for _ in range(3)}
            wait_until(
                lambda: ids <= {row["request_id"] for part in lake.parts() for row in lake.rows(part)},
                "the rows did not come to the store", seconds=60,
            )  # fmt: skip
            assert gateway.stop() == 0
        assert verify(spool=tmp_path / "home" / "ledger" / "calls.db", lake=lake, anchors=None).findings == []
        part = lake.parts()[0]
        lake.put(part.path, lake.get(part.path)[:100])
        assert [f.fault for f in verify(spool=None, lake=lake, anchors=None).findings][:1] == ["unreadable"]
    finally:
        server.stop()
