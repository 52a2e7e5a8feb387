"""From a dataset to an application in production: two people, two gateways of one state, the embedded model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import link_weights
from workbench import experiments, feedback, prompts
from workbench.client import Gateway
from workbench.client.key_desk import KeyDesk
from workbench.errors import PermissionDenied
from workbench.evidence import Dataset, contains, judges, scorer
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.people import hub_of_people
from workbench.testing.simulator import wait_until
from workbench.tracking.tracker import Tracker

CONFIG = """
[gateway]
stage = "{stage}"
other_stage_url = "http://{other}.example.com"
[state]
database = "sqlite:///{database}"
[published]
four_eyes = ["*@production", "*@canary"]
[identity]
everybody = []
[identity.jupyterhub]
url = "{hub}"
[identity.roles.scientist]
users = ["ana"]
[identity.roles.reviewer]
users = ["ben"]
[providers.local]
kind = "local"
trust = "in_house"
[[models]]
name = "smollm2-135m"
deployments = [{{ provider = "local", model = "smollm2-135m" }}]
"""
GATE = """
preregistered = true
min_examples = 12
[[rules]]
metric = "short"
[[rules]]
metric = "contains"
rule = "not_worse"
margin = 0.2
[[rules]]
metric = "latency_ms"
rule = "at_most"
threshold = 60000
[[rules]]
metric = "preference"
rule = "win_rate"
threshold = 0.5
min_examples = 20
"""
SIMPLE = """
[[rules]]
metric = "contains"
rule = "at_least"
threshold = 0.1
"""
PLAN = {
    "steps": [50, 100], "rule": "better", "min_n": 4, "confidence": 0.8, "max_latency_ratio": None,
    "max_cost_ratio": None,
}  # fmt: skip
WORDS = ["apple", "bridge", "candle", "desert", "engine", "forest", "garden", "hammer", "island", "jacket"]
WORDS += ["kettle", "ladder", "mirror", "needle"]
PEOPLE: dict[str, dict[str, Any]] = {
    "ana": {}, "ben": {}, "adam": {"admin": True, "scopes": ["access:servers", "admin:users"]},
}  # fmt: skip
APP = """
import json, sys
import workbench as wb
with wb.Gateway() as gateway:
    prompt = wb.prompt("whole.way@production", user=sys.argv[1])
    answer = prompt.chat(gateway, word="lantern")
    print(json.dumps({"version": prompt.version, "text": answer.text, "request_id": answer.request_id}))
"""


@dataclass
class Company:
    """Two gateways of one state, and who asks them."""

    staging: RunningGateway
    production: RunningGateway
    patch: pytest.MonkeyPatch

    def be(self, name: str) -> None:
        """Let what follows be asked by somebody."""
        self.patch.setenv("WORKBENCH_IDENTITY_TOKEN", f"token-of-{name}")

    def admin(self, gateway: RunningGateway, path: str, body: dict[str, Any]) -> Any:
        headers = {"authorization": "Bearer token-of-adam"}
        answer = httpx.post(f"{gateway.url}/admin/v1/{path}", headers=headers, json=body, timeout=30)
        assert answer.status_code < 300, answer.text
        return answer.json()


@pytest.fixture
def company(tmp_path: Path, weights: Path, tracking_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    with hub_of_people(PEOPLE) as hub:
        homes = [tmp_path / stage for stage in ("staging", "production")]
        for home in homes:
            link_weights(weights, home)
        texts = [
            CONFIG.format(stage=stage, other=other, hub=hub, database=tmp_path / "state.db")
            for stage, other in (("staging", "production"), ("production", "staging"))
        ]
        with (
            running_gateway(homes[0], config=texts[0]) as staging,
            running_gateway(homes[1], config=texts[1]) as production,
        ):
            key = KeyDesk(staging.url, "token-of-ana").issue(note="test", expires_in=3600, lease=None, timeout=10).key
            monkeypatch.setenv("WORKBENCH_GATEWAY_URL", staging.url)
            monkeypatch.setenv("OPENAI_API_KEY", key)
            found = Company(staging, production, monkeypatch)
            found.be("ana")
            yield found


@scorer(name="short")
def short(output: Any, example: Any) -> float:
    """Whether an answer is a word or two and not a speech."""
    return float(len((output.text or "").split()) <= 2)


def run_app(environ: dict[str, str], user: str) -> dict[str, Any]:
    """Run an application that knows nothing but its key and where the gateway is."""
    done = subprocess.run(
        [sys.executable, "-c", APP, user], check=False, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_from_a_dataset_to_an_application_in_production(company: Company, tracker: Tracker, tmp_path: Path) -> None:
    gateway = Gateway()
    (gate := tmp_path / "gate.toml").write_text(GATE, "utf-8")

    # A dataset, saved as a version, and two prompts; the rules are registered before anything is known.
    rows = [{"id": word, "inputs": {"word": word}, "expected": word} for word in WORDS]
    data = Dataset.from_rows(rows, name="whole-way words").save(tracker=tracker)
    assert data.version == 1
    options = {"model": "smollm2-135m", "temperature": 0, "max_tokens": 16, "seed": 1}
    shown = [{"inputs": {"word": word}, "output": word} for word in ("stone", "river", "cloud")]
    speech = prompts.register("whole.way", "Write a sentence about {{word}}.", parameters=options, tracker=tracker)
    brief = prompts.register("whole.way", "{{word}}", few_shot=shown, parameters=options, tracker=tracker)
    prompts.register_gate("whole.way", gate, reason="fixed before the run", gateway=gateway)

    # The grid, on the real model.
    found = experiments.run(
        "whole-way",
        [experiments.Candidate("speech", speech), experiments.Candidate("brief", brief)],
        data,
        [short, contains()],
        gateway=gateway,
        tracker=tracker,
        progress=False,
        traces="all",
    )
    runs = found.run_ids
    (compared,) = found.compare("short").to_dict("records")
    assert compared["verdict"] == "better", found
    assert compared["n"] == len(WORDS)

    # People vote blind; each sees the pairs in an order and on sides of their own.
    answers = {row["trace_id"]: row["output"] for row in found.cells.to_dict("records")}
    for number, rater in enumerate(("cleo", "dora", "emil", "fay")):
        for pair in feedback.pairs(runs["brief"], runs["speech"], seed=number, tracker=tracker):
            left_is_shorter = len(answers[pair.left]) < len(answers[pair.right])
            feedback.vote(pair, "left" if left_is_shorter else "right", rater, tracker=tracker)
    board = feedback.leaderboard(list(runs.values()), tracker=tracker)
    assert board.ranking.rated[0].name == "brief", board

    # A judge is measured against the votes; this small model may not gate by them.
    referee = judges.pairwise_judge(
        "Which answer is the word and nothing else?", model="smollm2-135m", parameters={"max_tokens": 64}
    )
    trust = judges.measure(
        referee, feedback.pair_labels(list(runs.values()), tracker=tracker)[:4], gateway=gateway, progress=False
    )
    assert not trust.may_gate, trust

    # Asked by one, approved by another: nobody goes past that.
    made = {"gateway": gateway, "tracker": tracker}
    (simple := tmp_path / "simple.toml").write_text(SIMPLE, "utf-8")
    first = prompts.request("whole.way", speech.version, gate=simple, reason="to begin with", **made)
    prompts.bring_evidence(first.id, evidence_run=runs["speech"], **made)
    with pytest.raises(PermissionDenied):
        prompts.approve(first.id, why="my own", **made)
    company.be("ben")
    prompts.approve(first.id, why="something must be live", **made)
    assert prompts.publish(first.id, **made).version == 1
    company.be("ana")
    asked = prompts.request("whole.way", brief.version, gate=gate, reason="says the word", alias="canary", **made)
    asked = prompts.bring_evidence(asked.id, evidence_run=runs["brief"], against=runs["speech"], **made)
    with pytest.raises(PermissionDenied, match="0 of 1 approvals"):
        prompts.publish(asked.id, **made)
    company.be("ben")
    prompts.approve(asked.id, why="read runs and votes", **made)
    assert prompts.publish(asked.id, **made).version == 2

    # In production a use case has a key; half of its users get the canary, and what they say decides.
    wish = {"kind": "production", "owner": "ana", "use_case": "words", "expires_in": 3600}
    key = company.admin(company.production, "keys", wish)["key"]
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "WORKBENCH_HOME": str(tmp_path / "app"),
        "WORKBENCH_GATEWAY_URL": company.production.url, "OPENAI_API_KEY": key,
    }  # fmt: skip
    assert run_app(environ, "anybody")["version"] == 1
    company.be("ana")
    started = gateway.start_rollout("whole.way", plan=PLAN, reason="shorter answers")
    assert (started["state"], started["weight"]) == ("running", 50)
    with Gateway(url=company.production.url, key=key) as app:
        served = set()
        for number in range(40):
            prompt = prompts.load("whole.way@production", gateway=app, user=f"user-{number}")
            answer = prompt.chat(app, word=WORDS[number % len(WORDS)])
            answer.feedback(len(answer.text.split()) <= 2)
            served.add(prompt.version)
            if gateway.rollout("whole.way")["state"] != "running":
                break
        assert served == {1, 2}
        wait_until(lambda: gateway.rollout("whole.way")["state"] == "complete", "the rule takes no step", seconds=30)
        (row,) = app.calls(answer.request_id)
        assert (row["stage"], row["use_case"], row["tags"]["prompt"]) == ("production", "words", "whole.way")
    live = gateway.history("whole.way")[0]
    assert (live["version"], live["published_by"]) == (2, "rollout rule")
    assert run_app(environ, "anybody")["version"] == 2

    # The way back is one step, and reaches the application; the record tells it all, and is whole.
    company.be("ben")
    prompts.rollback("whole.way", reason="somebody complained", **made)
    assert run_app(environ, "anybody")["version"] == 1
    told = [(each["version"], each["published_by"]) for each in gateway.history("whole.way")]
    assert told == [(1, "ben"), (2, "rollout rule"), (1, "ben")]
    assert prompts.verify(gateway=gateway, tracker=tracker).problems == ()
    gateway.close()
