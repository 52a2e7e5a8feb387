"""A rollout from its start to its end: real gateway, real calls, what users say, and a rule that decides by itself."""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import workbench as wb
from workbench import prompts
from workbench.cli import main
from workbench.client import AsyncGateway, ChatResult, Gateway
from workbench.errors import InvalidInput, NotFound
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until

numbers = count()
PLAN: dict[str, Any] = {
    "steps": [50, 60, 100],
    "rule": "better",
    "min_n": 5,
    "confidence": 0.8,
    "max_latency_ratio": None,
}
USERS = 48
"""So many that each side gets enough of them, however they fall."""


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with simulated_gateway(tmp_path_factory.mktemp("rollout") / "home", providers) as found:
        yield found


@pytest.fixture
def gateway(running: RunningGateway, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    key = running.issue_key()
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=key) as found:
        yield found


@pytest.fixture
def name(gateway: Gateway) -> str:
    """A prompt with version 1 in production and version 2 as its canary."""
    found = f"rolled.{os.getpid()}-{next(numbers)}"
    for version, alias in ((1, "production"), (2, "canary")):
        text = f"v{version} {{{{m}}}}"
        gateway.publish(found, version, text, alias=alias, parameters={"model": "chatty"}, reason="test")
    return found


def ask(gateway: Gateway, name: str, user: str) -> tuple[ChatResult, str | None]:
    """Make a call for a user; return the answer and the arm that the ledger was told of."""
    prompt = prompts.load(f"{name}@production", gateway=gateway, user=user)
    return prompt.chat(gateway, m=user), prompt.tags.get("arm")


def say(gateway: Gateway, name: str, worth: dict[str | None, float], *, users: int = USERS) -> None:
    """Let each user make a call and tell what it was worth to them, by arm."""
    for number in range(users):
        answer, arm = ask(gateway, name, f"user-{number}")
        if arm is None:  # the rollout has ended meanwhile
            return
        answer.feedback(worth[arm], comment="told by the test")


def state(gateway: Gateway, name: str) -> tuple[str, float]:
    told = gateway.rollout(name)
    return told["state"], told["weight"]


def test_a_better_candidate_goes_step_by_step_to_production_and_the_record_tells_why(
    gateway: Gateway, name: str
) -> None:
    started = gateway.start_rollout(name, plan=PLAN, reason="answers shorter")
    assert (started["state"], started["weight"], started["arms"]["canary"]["version"]) == ("running", 50, 2)
    say(gateway, name, {"canary": 1, "production": 0})
    wait_until(lambda: state(gateway, name) == ("running", 60), "the rule takes no step", seconds=30)
    wait_until(
        lambda: prompts.load(f"{name}@production", gateway=gateway, user="u").tags.get("rollout") == started["id"],
        "the loader knows no rollout", seconds=10,
    )  # fmt: skip
    say(gateway, name, {"canary": 1, "production": 0})
    wait_until(lambda: state(gateway, name) == ("complete", 0), "the rule does not end it", seconds=30)
    told = gateway.rollout(name)
    assert [(each["event"], each["by"]) for each in told["events"][1:]] == [
        ("advance", "rollout rule"), ("complete", "rollout rule"),
    ]  # fmt: skip
    assert told["events"][1]["reason"].startswith("surely better")
    assert told["events"][1]["figures"]["outcomes"]["unit"] == "user"
    live = gateway.history(name)[0]
    assert (live["version"], live["published_by"], live["evidence"]["rollout"]) == (2, "rollout rule", started["id"])
    wait_until(
        lambda: prompts.load(f"{name}@production", gateway=gateway).version == 2, "loaders stay behind", seconds=10
    )


def test_a_worse_candidate_is_taken_back_from_everybody(gateway: Gateway, name: str) -> None:
    gateway.start_rollout(name, plan={**PLAN, "rule": "not_worse"}, reason="try")
    say(gateway, name, {"canary": 0, "production": 1})
    wait_until(lambda: state(gateway, name) == ("rolled back", 0), "the rule does not go back", seconds=30)
    assert gateway.rollout(name)["events"][-1]["reason"].startswith("surely worse")
    wait_until(
        lambda: all(prompts.load(f"{name}@production", gateway=gateway, user=f"u{n}").version == 1 for n in range(50)),
        "a loader still serves the candidate", seconds=10,
    )  # fmt: skip


def test_calls_that_fail_take_a_candidate_back_without_a_word_of_anybody(
    gateway: Gateway, name: str, providers: SimulatedProviders
) -> None:
    gateway.publish(name, 3, "v3 {{m}}", alias="canary", parameters={"model": "no-such-model"}, reason="test")
    gateway.start_rollout(name, plan=PLAN, reason="try")
    for number in range(USERS):
        try:
            ask(gateway, name, f"user-{number}")
        except NotFound:
            continue
    wait_until(lambda: state(gateway, name)[0] == "rolled back", "the guardrail does not hold", seconds=30)
    assert gateway.rollout(name)["events"][-1]["reason"].startswith("guardrail on errors")


def test_calls_of_a_rollout_are_known_to_the_ledger_and_one_user_counts_once(gateway: Gateway, name: str) -> None:
    rollout = gateway.start_rollout(name, plan={**PLAN, "min_n": 1000}, reason="try")
    answer, arm = ask(gateway, name, "secret-user@example.com")
    (row,) = gateway.calls(answer.request_id)
    assert {key: row["tags"][key] for key in ("prompt", "rollout", "arm")} == {
        "prompt": name, "rollout": rollout["id"], "arm": arm,
    }  # fmt: skip
    assert row["tags"]["prompt_version"] == {"production": "1", "canary": "2"}[str(arm)]
    assert "secret-user" not in json.dumps(row)
    answer.feedback(1)
    answer.feedback(1)
    ask(gateway, name, "secret-user@example.com")[0].feedback(0)

    def seen() -> int:
        look = gateway.rollout(name)["look"]
        figures = look["figures"]["outcomes"] if look else {"candidate_n": 0, "baseline_n": 0}
        return int(figures["candidate_n"] + figures["baseline_n"])

    wait_until(lambda: seen() == 1, "the outcome is not joined", seconds=30)
    with pytest.raises(InvalidInput, match=r"gateway.feedback\(result.request_id"):
        copy.copy(answer).feedback(1)


async def test_an_answer_of_the_async_client_is_rated_by_awaiting(gateway: Gateway, running: RunningGateway) -> None:
    async with AsyncGateway(url=running.url, key=running.issue_key()) as client:
        answer = await client.chat("hello", model="chatty")
        assert (await answer.feedback(True, "fine"))["value"] is True
        stream = await client.stream("hello", model="chatty")
        assert "".join([piece async for piece in stream])
        assert (await stream.result.feedback(False))["request_id"] == stream.request_id


def test_an_answer_that_came_in_pieces_is_rated_by_its_result(gateway: Gateway) -> None:
    stream = gateway.stream("hello", model="chatty")
    assert "".join(stream)
    assert stream.result.feedback(0.5)["request_id"] == stream.request_id


def test_an_application_needs_only_the_environment(gateway: Gateway, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wb.prompt(f"{name}@production").chat(m="x").text == "echo: v1 x"
    gateway.start_rollout(name, plan={"steps": [99.99, 100]}, reason="try")
    wait_until(lambda: wb.prompt(f"{name}@production", user="u").version == 2, "not rolled out", seconds=10)
    assert wb.prompt(f"{name}@production").version == 1, "who names no user gets what is live"
    assert wb.prompt(f"{name}@canary", user="u").version == 2


def shell(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prompts", "rollout", *arguments])


def test_a_rollout_from_the_shell(gateway: Gateway, name: str) -> None:
    missing = shell("status", name)
    assert missing.exit_code == 1
    assert "never rolled out" in missing.output
    done = shell("start", name, "--steps", "10,50,100", "--min-n", "7", "--reason", "try")
    assert done.exit_code == 0, done.output
    assert "v2 goes to 10 % of the users" in done.output
    told = json.loads(shell("status", name, "--json").output)
    assert (told["plan"]["steps"], told["plan"]["min_n"], told["state"]) == ([10, 50, 100], 7, "running")
    assert shell("pause", name, "--reason", "lunch").exit_code == 0
    assert state(gateway, name) == ("paused", 10)
    assert shell("advance", name, "--reason", "by hand").exit_code == 0
    assert state(gateway, name) == ("paused", 50)
    assert shell("resume", name, "--reason", "back").exit_code == 0
    shown = shell("status", name)
    assert "running, v2 goes to 50 %" in shown.output
    assert "by hand" in shown.output
    assert shell("abort", name, "--reason", "enough").exit_code == 0
    assert state(gateway, name) == ("aborted", 0)
    again = shell("advance", name, "--reason", "x")
    assert again.exit_code == 1
    assert "not being rolled out" in again.output
