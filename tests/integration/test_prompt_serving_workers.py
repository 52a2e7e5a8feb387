"""Two applications before a gateway of two workers: each hears of a publication, a rollout and a rollback in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from workbench.client import Gateway
from workbench.testing.gateway import RunningGateway, running_gateway

WITHIN, ALWAYS = 2.0, 20.0
"""Seconds of the best of three, and of all: half a second is what one worker takes to look at what another wrote."""
APP = """
import json, sys, time
import workbench as wb
seen = None
while True:
    prompt = wb.prompt("shared@production", user=sys.argv[1])
    told = [prompt.version, prompt.tags.get("arm"), prompt.served.state]
    if told != seen:
        seen = told
        print(json.dumps([*told, time.time()]), flush=True)
    time.sleep(0.01)
"""


class App:
    """An application in a process of its own, with a home of its own."""

    def __init__(self, gateway: RunningGateway, home: Path, user: str) -> None:
        environ = {
            **os.environ,
            "WORKBENCH_GATEWAY_URL": gateway.url,
            "OPENAI_API_KEY": gateway.issue_key(),
            "WORKBENCH_HOME": str(home),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", APP, user], stdout=subprocess.PIPE, text=True, env=environ
        )

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def until(self, version: int, arm: str | None) -> tuple[float, str]:
        """Return when it first served that, and how fresh it said that it was."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found, side, state, at = json.loads(line)
            if (found, side) == (version, arm):
                return at, state
        raise AssertionError(f"the application ended before it served v{version}")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "gateway", arguments=("--workers", "2")) as running:
        yield running
        running.stop()


@pytest.mark.timeout(300)
def test_two_applications_at_two_workers_hear_of_each_change_within_two_seconds(
    gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", gateway.owner_token)
    took: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        author = stack.enter_context(Gateway(url=gateway.url, key=gateway.issue_key()))

        def publish(version: int, alias: str = "production") -> float:
            author.publish("shared", version, f"v{version}", alias=alias, reason="test")
            return time.time()

        publish(1)
        apps = [stack.enter_context(App(gateway, tmp_path / user, user)) for user in ("ada", "bob")]
        for app in apps:
            assert app.until(1, None)[1] == "live"

        def seen(what: str, began: float, version: int, arm: str | None) -> None:
            took[what].append(max(round(app.until(version, arm)[0] - began, 3) for app in apps))

        for _ in range(3):
            seen("publication", publish(2), 2, None)
            seen("rollback", publish(1), 1, None)
        publish(3, alias="canary")
        plan: Any = {"steps": [99.99, 100]}
        author.start_rollout("shared", reason="test", plan=plan)
        seen("rollout", time.time(), 3, "canary")
        author.steer_rollout("shared", "abort", reason="test")
        seen("abort", time.time(), 1, None)
    with capsys.disabled():
        print(f"\nseconds until two processes served a change: {dict(took)}")  # noqa: T201 - what was seen is worth telling
    assert all(min(took[what]) < WITHIN for what in ("publication", "rollback")), took
    assert all(seconds < ALWAYS for each in took.values() for seconds in each), took
