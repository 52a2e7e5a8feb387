"""The embedded models in memory, seen and managed through the gateway and by `workbench models`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from workbench.client.model_desk import ModelDesk
from workbench.errors import NotFound, PermissionDenied
from workbench.testing.gateway import RunningGateway, running_gateway

CHAT = "smollm2-135m"


@pytest.fixture
def gateway(model_home: Path) -> Iterator[RunningGateway]:
    with running_gateway(model_home) as running:
        yield running


@pytest.fixture
def command(gateway: RunningGateway) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "workbench.cli", "models", *arguments, "--url", gateway.url],
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_model_is_loaded_shown_and_let_go(gateway: RunningGateway, command: Callable[..., str]) -> None:
    desk = ModelDesk(gateway.url, gateway.owner_token)
    assert desk.engines() == []  # and nothing was started for the question
    assert "in memory" in command("start", CHAT)
    key = gateway.issue_key()
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": 24}
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=120).status_code == 200
    (row,) = json.loads(command("ps", "--json"))
    assert (row["name"], row["task"], row["provider"]) == (CHAT, "chat", "local")
    assert row["memory_bytes"] > 100_000_000
    assert row["tokens_per_second"] > 0
    assert CHAT in command("ps")
    assert "out of memory" in command("stop", CHAT)
    assert desk.engines() == []
    assert "was not in memory" in command("stop", CHAT)


def test_only_models_that_are_known_are_loaded(gateway: RunningGateway) -> None:
    with pytest.raises(NotFound, match="smollm2-135m"):
        ModelDesk(gateway.url, gateway.owner_token).start("smollm3")


def test_a_gateway_key_manages_no_engines(gateway: RunningGateway) -> None:
    with pytest.raises(PermissionDenied):
        ModelDesk(gateway.url, gateway.issue_key()).engines()
