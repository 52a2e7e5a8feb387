"""Ledger and state whose files somebody removes under a running gateway: nothing that was answered is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.gateway.ledger.chain import verify
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

CHAT: Any = {"model": "chatty", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(params=[1, 2])
def gateway(request: pytest.FixtureRequest, providers: SimulatedProviders, tmp_path: Path) -> Iterator[RunningGateway]:
    with started(tmp_path / "home", providers, workers=request.param) as running:
        yield running


def started(home: Path, providers: SimulatedProviders, *, workers: int = 1) -> Any:
    environ = {KEY_VARIABLE: providers.credential}
    config = simulated_config(providers) + '[audit.bodies]\nexploration = "keep"\n'
    return running_gateway(home, config=config, arguments=("--workers", str(workers)), environ=environ)


def chat(gateway: RunningGateway, key: str) -> int:
    """Make a call on a connection of its own: the kernel chooses a worker."""
    headers = {"authorization": f"Bearer {key}"}
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=CHAT, headers=headers, timeout=30, verify=False).status_code


def take_away(home: Path, name: str) -> None:
    for path in home.glob(f"{name}*"):
        path.unlink()


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_ledger_that_is_taken_away_comes_back_with_every_answered_call(
    gateway: RunningGateway, *, whole_folder: bool
) -> None:
    key, home = gateway.issue_key(), gateway.home
    assert [chat(gateway, key) for _ in range(8)] == [200] * 8
    if whole_folder:
        shutil.rmtree(home / "ledger")
    else:
        take_away(home, "ledger/calls.db")
    answered = 8 + sum(chat(gateway, key) == 200 for _ in range(12))
    assert answered == 20
    assert gateway.stop() == 0
    assert verify(home / "ledger" / "calls.db") == answered
    done = CliRunner().invoke(main, ["audit", "verify"], env={"WORKBENCH_HOME": str(home)})
    assert (done.exit_code, f"{answered} rows were read, the bodies of {answered} calls" in done.stdout) == (0, True)
    assert "taken away" in (home / "gateway.stderr").read_text()


def test_another_ledger_in_its_place_is_not_written_on(gateway: RunningGateway, tmp_path: Path) -> None:
    key, home = gateway.issue_key(), gateway.home
    assert chat(gateway, key) == 200
    path = home / "ledger" / "calls.db"
    kept = tmp_path / "kept.db"
    path.rename(kept)
    for name in ("calls.db-wal", "calls.db-shm"):
        (home / "ledger" / name).unlink()
    path.write_bytes(b"")
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    path.unlink()
    wait_until(lambda: {chat(gateway, key) for _ in range(8)} == {200}, "it does not recover by itself")
    assert gateway.stop() == 0
    assert verify(path) >= 9


def test_keys_outlive_the_file_of_the_state(gateway: RunningGateway, providers: SimulatedProviders) -> None:
    home = gateway.home
    before = gateway.issue_key()
    take_away(home, "state.db")
    after = gateway.issue_key()
    assert {chat(gateway, key) for key in (before, after)} == {200}
    assert gateway.stop() == 0
    with started(home, providers) as again:
        assert {chat(again, key) for key in (before, after)} == {200}
