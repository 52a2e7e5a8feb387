"""Several worker processes: one address, keys known to all of them, no end but a wished one."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from workbench.gateway.ledger.chain import verify
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

WORKERS = 2
HELLO: Any = [{"role": "user", "content": "hello " * 40}]
MODEL = '[[models]]\nname = "{name}"\ndeployments = [{{ provider = "acme", model = "{name}" }}]\n'


def config(url: str, *models: str) -> str:
    provider = (
        f'[providers.acme]\nkind = "openai_compatible"\nbase_url = "{url}/v1"\ncredential = {{ env = "ACME_KEY" }}\n'
    )
    return provider + "".join(MODEL.format(name=name) for name in models)


@pytest.fixture
def gateway(providers: SimulatedProviders, tmp_path: Path) -> Iterator[RunningGateway]:
    providers.clear()
    with running_gateway(
        tmp_path, config=config(providers.url, "chat"), arguments=("--workers", str(WORKERS)),
        environ={"ACME_KEY": providers.credential},
    ) as running:  # fmt: skip
        children = psutil.Process(running.process.pid).children()
        yield running
        running.stop() if running.process.poll() is None else None
        psutil.wait_procs(children, timeout=10)
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def ask(gateway: RunningGateway, key: str, model: str = "chat", **more: Any) -> httpx.Response:
    """Make a call on a connection of its own: the kernel chooses a worker."""
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", json={"model": model, "messages": HELLO, **more},
        headers={"authorization": f"Bearer {key}"}, timeout=30,
    )  # fmt: skip


def statuses(gateway: RunningGateway, key: str, model: str = "chat") -> set[int]:
    """Return the statuses of so many calls that every worker has surely answered one."""
    return {ask(gateway, key, model).status_code for _ in range(16)}


def workers(gateway: RunningGateway) -> list[psutil.Process]:
    return psutil.Process(gateway.process.pid).children()


def test_both_answer_and_each_writes_a_chain_of_its_own(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    wait_until(lambda: statuses(gateway, key) == {200}, "not all workers answer", seconds=30)
    assert len(workers(gateway)) == WORKERS
    ledger = gateway.home / "ledger" / "calls.db"
    with sqlite3.connect(ledger) as connection:
        written = {writer for (writer,) in connection.execute("SELECT DISTINCT writer FROM calls")}
    assert written == {"w0", "w1"}
    assert gateway.stop() == 0
    assert verify(ledger) >= 16


def test_a_new_key_a_revoked_one_and_its_streams_are_every_workers_affair(
    gateway: RunningGateway, providers: SimulatedProviders
) -> None:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.owner_token}"}) as admin:
        issued = admin.post("/keys/exploration", json={"note": "x"}).json()
        key = issued["key"]
        wait_until(lambda: statuses(gateway, key) == {200}, "a worker does not know the key", seconds=30)
        providers.fail("slow", seconds=0.2, times=0)
        ended: list[str] = []

        def stream() -> None:
            with httpx.stream(
                "POST", f"{gateway.url}/v1/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=60,
                json={"model": "chat", "messages": HELLO, "stream": True},
            ) as answer:  # fmt: skip
                ended.append(answer.read().decode())

        streams = [threading.Thread(target=stream) for _ in range(8)]
        for thread in streams:
            thread.start()
        providers.wait_until(lambda seen: sum(s.ended == "open" and s.frames > 0 for s in seen) == len(streams))
        began = time.monotonic()
        assert admin.delete(f"/keys/{issued['id']}").status_code == 200
        for thread in streams:
            thread.join(timeout=20)
        assert time.monotonic() - began < 5
        assert len(ended) == len(streams)
        assert all('"revoked"' in text and "[DONE]" not in text for text in ended)
        providers.clear()
        assert statuses(gateway, key) == {401}


def test_a_worker_that_dies_is_started_again_while_the_others_serve(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    wait_until(lambda: statuses(gateway, key) == {200}, "not all workers answer", seconds=30)
    before = {worker.pid for worker in workers(gateway)}
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len({w.pid for w in workers(gateway)} - before) == 1, "no other worker was started", seconds=30)
    wait_until(lambda: statuses(gateway, key) == {200}, "the new worker does not answer", seconds=30)
    assert "is started again" in (gateway.home / "gateway.stderr").read_text()
    assert gateway.stop() == 0


def test_a_new_configuration_reaches_every_worker(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key = gateway.issue_key()
    wait_until(lambda: statuses(gateway, key) == {200}, "not all workers answer", seconds=30)
    file = gateway.home / "workbench.toml"
    file.write_text(config(providers.url, "chat", "second"))
    os.kill(gateway.process.pid, signal.SIGHUP)
    wait_until(lambda: statuses(gateway, key, "second") == {200}, "a worker has not reloaded", seconds=30)
    file.write_text(config(providers.url, "chat", "second", "third"))
    told = httpx.post(
        f"{gateway.url}/admin/v1/reload", headers={"authorization": f"Bearer {gateway.owner_token}"}, timeout=30
    )
    assert told.json()["models"]["added"] == ["third"]
    wait_until(lambda: statuses(gateway, key, "third") == {200}, "a worker has not reloaded", seconds=30)


def test_what_is_streamed_ends_before_the_gateway_does(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    key = gateway.issue_key()
    wait_until(lambda: statuses(gateway, key) == {200}, "not all workers answer", seconds=30)
    providers.fail("slow", seconds=0.02)
    with httpx.stream(
        "POST", f"{gateway.url}/v1/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=60,
        json={"model": "chat", "messages": HELLO, "stream": True},
    ) as answer:  # fmt: skip
        text = answer.iter_text()
        next(text)
        gateway.process.send_signal(signal.SIGTERM)
        assert "".join(text).endswith("data: [DONE]\n\n")
    assert gateway.process.wait(60) == 0


def test_workers_end_with_the_process_that_started_them(gateway: RunningGateway) -> None:
    children = workers(gateway)
    gateway.process.kill()
    gateway.process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_a_port_that_is_taken_is_told(gateway: RunningGateway, tmp_path: Path) -> None:
    port = str(urlsplit(gateway.url).port)
    for more in (["--workers", "2"], []):
        done = subprocess.run(
            [sys.executable, "-m", "workbench.gateway", "--port", port, *more], capture_output=True, text=True,
            env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "other")}, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"Port {port}" in done.stderr
        assert "is taken" in done.stderr


def test_workers_that_can_not_start_end_with_the_reason(tmp_path: Path) -> None:
    running = running_gateway(tmp_path, config=config("http://127.0.0.1:9", "chat"), arguments=("--workers", "2"))
    with pytest.raises(RuntimeError, match="ACME_KEY"), running:
        pass


def test_an_embedded_gateway_is_one_process(tmp_path: Path) -> None:
    running = running_gateway(tmp_path, arguments=("--embedded", "--workers", "2"))
    with pytest.raises(RuntimeError, match="one process"), running:
        pass


def test_each_step_of_a_promotion_may_be_taken_at_another_worker(gateway: RunningGateway) -> None:
    admin = {"authorization": f"Bearer {gateway.owner_token}"}

    def step(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{gateway.url}/v1/prompts/{path}", json=body, headers=admin, timeout=30)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    rules = {"rules": [{"metric": "exact"}]}
    for version in range(1, 5):  # each by whichever worker takes it, and at once
        wish = {"version": version, "template": f"Say {version}.", "reason": "better", "gates": rules}
        asked = step("steps@live/requests", wish)
        history = httpx.get(f"{gateway.url}/v1/prompts/steps@live/history", headers=admin, timeout=30).json()
        evidence = {"passed": True, "decision": "better", "gates_hash": asked["gates_hash"], "hash": asked["hash"],
                    "base": history["data"][0]["seq"] if "data" in history else None, "run_id": "r",
                    "run_started_at": "2999-01-01T00:00:00Z"}  # fmt: skip
        step(f"requests/{asked['id']}/evidence", evidence)
        assert step(f"requests/{asked['id']}/publish", {})["version"] == version


def test_prompts_and_models_of_one_worker_are_every_workers(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    admin = {"authorization": f"Bearer {gateway.owner_token}"}
    for version in (1, 2):  # one after the other, by whichever worker takes it
        wish = {"version": version, "template": f"Say {version}.", "reason": "better"}
        published = httpx.post(f"{gateway.url}/v1/prompts/greeting@live", json=wish, headers=admin, timeout=30)
        assert published.status_code in (200, 201), published.text

    def versions() -> set[int]:
        path = f"{gateway.url}/v1/prompts/greeting@live"
        answers = [httpx.get(path, headers={"authorization": f"Bearer {key}"}, timeout=30) for _ in range(16)]
        return {answer.json().get("version", 0) for answer in answers}

    wait_until(lambda: versions() == {2}, "a worker has another prompt", seconds=30)
    model = {"name": "added", "provider": "acme", "model": "gpt-4o-mini"}
    assert httpx.post(f"{gateway.url}/admin/v1/models", json=model, headers=admin, timeout=30).status_code in (200, 201)
    wait_until(lambda: statuses(gateway, key, "added") == {200}, "a worker does not know the model", seconds=30)
    assert httpx.delete(f"{gateway.url}/admin/v1/models/added", headers=admin, timeout=30).status_code in (200, 204)
    wait_until(lambda: statuses(gateway, key, "added") == {404}, "a worker still knows the model", seconds=30)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_starts_again_at_once_on_its_port_behind_connections_that_it_closed(tmp_path: Path, workers: int) -> None:
    """What a server has closed waits a minute to be forgotten, and must not keep the port from the next start."""
    arguments = ("--workers", "2")
    with running_gateway(tmp_path / "home", arguments=arguments) as gateway:
        port = gateway.url.rpartition(":")[2]
        for _ in range(6):
            answer = httpx.get(f"{gateway.url}/healthz", headers={"connection": "close"})
            assert answer.headers["connection"] == "close"
        gateway.stop()
    arguments = ("--workers", str(workers), "--port", port)
    with running_gateway(tmp_path / "home", arguments=arguments) as again:
        assert again.url.endswith(f":{port}")
        assert httpx.get(f"{again.url}/healthz").status_code == 200
