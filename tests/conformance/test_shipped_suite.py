"""The shipped suite and `workbench conformance`: what is good passes, what is broken fails, what is unknown is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from access import configuration, environment
from bench import MODELS, Bench

from workbench.testing.conformance import CASES, Subject, Verdict, read_subjects, run
from workbench.testing.simulator import SimulatedProviders

GPT = Subject(model="gpt-4o-mini", provider="openai", task="chat", kind="openai", upstream="gpt-4o-mini")


def verdicts(bench: Bench, subject: Subject, *only: str) -> dict[str, Verdict]:
    found = run([subject], url=bench.gateway.url, key_for=lambda _: bench.key, only=only)
    return {verdict.case: verdict for verdict in found}


def test_every_case_passes_or_tells_why_it_could_not_be_judged(bench: Bench) -> None:
    told = verdicts(bench, GPT)
    assert list(told) == [case.name for case in CASES if case.task in ("*", "chat")]
    assert {v.case: v.remark for v in told.values() if v.outcome == "failed"} == {}
    assert told["tools"].outcome == told["json schema"].outcome == "passed"
    assert all(verdict.remark for verdict in told.values())


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        ({"kind": "status", "status": 500, "times": 0}, "plain"),
        ({"kind": "malformed", "times": 0}, "plain"),
        ({"kind": "cut", "frames": 3, "times": 0}, "stream"),
        ({"kind": "error", "frames": 3, "times": 0}, "stream"),
        ({"kind": "status", "status": 429, "times": 0}, "large prompt"),
    ],
)
def test_a_provider_that_does_not_keep_a_promise_fails_its_case(
    bench: Bench, fault: dict[str, object], case: str
) -> None:
    bench.simulator.fail(**fault)
    verdict = verdicts(bench, GPT, case)[case]
    assert (verdict.outcome, verdict.provider) == ("failed", "openai")


@pytest.mark.parametrize("task", ["embedding", "image", "speech", "transcription", "moderation"])
def test_each_task_of_openai_passes(bench: Bench, task: str) -> None:
    told = verdicts(bench, Subject(model=MODELS["openai"][task], provider="openai", task=task, kind="openai"))
    assert len(told) > 2
    assert {verdict.outcome for verdict in told.values()} == {"passed"}, told


def test_an_answer_by_another_provider_than_the_one_that_was_meant_fails(bench: Bench) -> None:
    subject = Subject(model="gpt-4o-mini", provider="anthropic", task="chat")
    assert verdicts(bench, subject, "plain")["plain"].remark == "openai answered"


def test_a_client_that_leaves_is_judged_where_the_answer_takes_its_time(bench: Bench) -> None:
    bench.simulator.fail("slow", seconds=0.1, times=0)
    assert verdicts(bench, GPT, "cancel")["cancel"].outcome == "passed"


def test_a_task_without_cases_is_told(bench: Bench) -> None:
    told = verdicts(bench, Subject(model="x", provider="openai", task="telepathy"), "plain")
    assert (told["task"].outcome, "telepathy" in told["task"].remark) == ("skipped", True)


def test_subjects_are_each_model_at_each_of_its_providers(bench: Bench) -> None:
    found = read_subjects(bench.gateway.url, bench.key, each_provider=True)
    assert ("gpt-4o-mini", "openai", "openai") in [(one.model, one.provider, one.kind) for one in found]
    assert len(found) == len({(one.model, one.provider) for one in found})


class TestTheCommand:
    def gate(self, folder: Path, simulator: SimulatedProviders, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = folder / "release.toml"
        if not file.exists():
            file.write_text(configuration(simulator, folder), "utf-8")
        return subprocess.run(
            [sys.executable, "-m", "workbench.cli", "conformance", "--config", str(file), *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment_of(simulator, folder),
            timeout=120,
        )

    def test_a_good_configuration_is_let_through(self, simulator: SimulatedProviders, tmp_path: Path) -> None:
        done = self.gate(
            tmp_path, simulator, "--yes", "--json", "--model", "gpt-4o-mini", "--model", "claude-sonnet-4-5"
        )
        told = json.loads(done.stdout)
        assert (done.returncode, told["failed"]) == (0, 0), [c for c in told["cases"] if c["outcome"] == "failed"]
        assert {case["provider"] for case in told["cases"]} == {"openai", "anthropic"}
        assert not list(tmp_path.glob("state.db*"))

    def test_one_broken_provider_closes_the_gate(self, simulator: SimulatedProviders, tmp_path: Path) -> None:
        simulator.fail("status", status=500, times=0, provider="anthropic")
        done = self.gate(tmp_path, simulator, "--yes", "--json", "--only", "plain", "--only", "own path")
        cases = [case for case in json.loads(done.stdout)["cases"] if case["case"] != "task"]
        told = {(case["provider"], case["case"]): case["outcome"] for case in cases}
        assert done.returncode == 1
        assert told.pop(("vertex", "own path")) == "skipped"  # it names a project, which a caller does not know
        assert {place for place, outcome in told.items() if outcome != "passed"} == {
            ("anthropic", "plain"),
            ("anthropic", "own path"),
        }
        assert {provider for provider, _ in told} == {"openai", "anthropic", "gemini", "vertex", "bedrock"}

    def test_third_parties_are_not_called_before_somebody_says_yes(
        self, simulator: SimulatedProviders, tmp_path: Path
    ) -> None:
        done = self.gate(tmp_path, simulator)
        assert done.returncode == 1
        assert "may be billed" in done.stdout
        assert simulator.requests == []

    def test_an_unknown_case_is_refused_with_the_known_ones(
        self, simulator: SimulatedProviders, tmp_path: Path
    ) -> None:
        done = self.gate(tmp_path, simulator, "--only", "plan")
        assert done.returncode == 2
        assert "large prompt" in done.stderr


def environment_of(simulator: SimulatedProviders, folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, **environment(simulator), "WORKBENCH_HOME": str(folder / "home")}
