"""Promotion by two people: asked, gated, approved, published, watched, rolled back; tampering is found."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from streamlit.testing.v1 import AppTest

import workbench_app
from workbench import experiments, feedback, prompts, widgets
from workbench.cli import main
from workbench.client import Gateway
from workbench.client.key_desk import KeyDesk
from workbench.errors import Conflict, InvalidInput, PermissionDenied, PromotionRefused
from workbench.evidence import Dataset, exact_match
from workbench.prompts import Gate
from workbench.settings import Settings
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.people import hub_of_people
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders
from workbench.tracking import RunRecord, TraceRecord
from workbench.tracking.tracker import Tracker

VIEW = Path(workbench_app.__file__).parent / "views" / "promote.py"
GOOD, BAD = [1.0] * 13 + [0.0], [0.0] * 12 + [1.0] * 2
CONFIG = """
[published]
four_eyes = ["approved-*"]
[identity]
everybody = []
[identity.jupyterhub]
url = "{hub}"
[identity.roles.scientist]
users = ["ana", "cleo"]
[identity.roles.reviewer]
users = ["ben", "ana"]
"""
GATE = """
min_examples = 12
[[rules]]
metric = "exact"
[[rules]]
metric = "exact"
rule = "not_worse"
margin = 0.05
"""
numbers = count()


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with hub_of_people() as url:
        yield url


@pytest.fixture(scope="module")
def running(
    providers: SimulatedProviders, hub: str, tracker: Tracker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    config = simulated_config(providers) + CONFIG.format(hub=hub)
    with running_gateway(
        tmp_path_factory.mktemp("promotion"), config=config, environ={KEY_VARIABLE: providers.credential}
    ) as found:
        yield found


class Case:
    """A prompt with two versions, runs for each, and people who ask and decide."""

    def __init__(self, running: RunningGateway, tracker: Tracker, monkeypatch: pytest.MonkeyPatch, tmp: Path) -> None:
        self.name = f"approved-{os.getpid()}-{next(numbers)}"
        self.tracker, self.gateway = tracker, Gateway()
        self._monkeypatch = monkeypatch
        self.gate = tmp / "gate.toml"
        self.gate.write_text(GATE, "utf-8")
        self.one, self.two = (prompts.register(self.name, text, tracker=tracker) for text in ("one {{m}}", "two {{m}}"))

    def be(self, name: str) -> None:
        self._monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", f"token-of-{name}")

    def run(self, ran: prompts.Prompt, scores: list[float], *, traces: bool = False, **tags: str) -> str:
        cells = pd.DataFrame({"example_id": [f"e{n}" for n in range(len(scores))], "repeat": 0, "output": ran.template,
                              "error": None, "trace_id": None, "score.exact": scores})  # fmt: skip
        known = {"prompt": ran.name, "prompt_version": str(ran.version), "prompt_hash": ran.hash,
                 "dataset_hash": "sha256:data", "model": "chatty", **tags}  # fmt: skip
        told: list[TraceRecord] = []
        if traces:
            now = datetime.now(UTC)
            told = [TraceRecord("c", "q", f"{ran.template} {n}", now, now, trace_id=f"tr-{secrets.token_hex(16)}")
                    for n in range(len(scores))]  # fmt: skip
            cells["trace_id"] = [each.trace_id for each in told]
        record = RunRecord(
            self.name, f"v{ran.version}", tags={f"workbench.{key}": value for key, value in known.items()},
            tables={"cells.json": cells}, traces=told,
        )  # fmt: skip
        return self.tracker.write_run(record)

    def ask(self, **options: Any) -> prompts.PromotionRequest:
        whole = {"gate": self.gate, "reason": "it answers better", "alias": "production", **options}
        return prompts.request(self.name, 2, gateway=self.gateway, tracker=self.tracker, **whole)

    def bring(self, number: int, run: str, against: str | None = None, **options: Any) -> prompts.PromotionRequest:
        return prompts.bring_evidence(
            number, evidence_run=run, against=against, gateway=self.gateway, tracker=self.tracker, **options
        )

    def approve(self, number: int) -> prompts.PromotionRequest:
        return prompts.approve(number, why="read the runs", gateway=self.gateway, tracker=self.tracker)

    def publish(self, number: int) -> prompts.Promotion:
        return prompts.publish(number, gateway=self.gateway, tracker=self.tracker)

    def make_live(self) -> prompts.Promotion:
        """Bring version 2 to life, by ana and ben."""
        self.be("ana")
        asked = self.ask(evidence_run=self.run(self.two, GOOD), against=self.run(self.one, BAD))
        self.be("ben")
        self.approve(asked.id)
        return self.publish(asked.id)

    def cli(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["prompts", *arguments], catch_exceptions=False)


@pytest.fixture
def case(
    running: RunningGateway, tracking_home: Path, tracker: Tracker, tracking_settings: Settings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Case]:  # fmt: skip
    key = KeyDesk(running.url, "token-of-ana").issue(note="test", expires_in=3600, lease=None, timeout=10).key
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", "token-of-ana")
    found = Case(running, tracker, monkeypatch, tmp_path)
    yield found
    found.gateway.close()


def test_the_whole_way_by_command_line(case: Case, tracker: Tracker):
    gate, name = str(case.gate), case.name
    assert case.cli("register-gate", name, "--gate", gate).exit_code == 0
    asked = case.cli("request", name, "2", "--gate", gate, "--reason", "it answers better", "--json")
    number = str(json.loads(asked.output)["id"])
    base, run = case.run(case.one, BAD), case.run(case.two, GOOD)
    weighed = case.cli("gate", number, "--evidence", run, "--against", base, "--gate", gate)
    assert weighed.exit_code == 0, weighed.output
    assert "is passed; exact passed: better" in weighed.output
    for verb, said in (("approve", "nobody approves their own"), ("publish", "0 of 1 approvals")):
        refused = case.cli(verb, number)  # though ana is a reviewer, too
        assert refused.exit_code == 1
        assert said in refused.output
    case.be("ben")
    assert "a reviewer must approve" in case.cli("show-request", number).output
    assert case.cli("comment", number, "looks good").exit_code == 0
    assert "is approved" in case.cli("approve", number, "--why", "read the runs").output
    assert "is v2" in case.cli("publish", number).output
    told = json.loads(case.cli("history", name, "--json").output)[0]
    assert (told["requested_by"], told["approved_by"], told["published_by"]) == ("ana", ["ben"], "ben")
    kept = told["evidence"]
    assert (kept["run_id"], kept["baseline_run_id"], kept["dataset_hash"], kept["model"]) == (
        run, base, "sha256:data", "chatty"
    )  # fmt: skip
    assert kept["gates_hash"] == prompts.read_gates(case.gate).hash
    assert kept["preregistered"] is True
    assert [rule["passed"] for rule in kept["figures"]["rules"]] == [True, True]
    assert tracker.aliases(name) == {"production": 2}
    assert prompts.load(f"{name}@production", gateway=case.gateway, tracker=tracker).hash == case.two.hash
    listed = json.loads(case.cli("requests", name, "--json").output)
    assert [(each["id"], each["state"]) for each in listed] == [(int(number), "published")]


def test_what_needs_two_is_not_promoted_by_one(case: Case):
    with pytest.raises(PermissionDenied, match="only after somebody else has approved") as caught:
        prompts.promote(
            case.name, 2, evidence_run=case.run(case.two, GOOD), against=case.run(case.one, BAD), gate=Gate("exact"),
            reason="now", gateway=case.gateway, tracker=case.tracker,
        )  # fmt: skip
    assert "workbench prompts request" in str(caught.value)
    case.be("cleo")
    asked = case.ask()
    with pytest.raises(PermissionDenied, match="cleo is no reviewer"):
        prompts.reject(asked.id, "no", gateway=case.gateway)
    case.be("nobody")
    with pytest.raises(PermissionDenied, match="nobody is no scientist"):
        case.ask()


def test_the_rules_stay_as_they_were_asked_with(case: Case):
    asked = case.ask()
    run, base = case.run(case.two, [0.0] * 14), case.run(case.one, GOOD)
    assert case.bring(asked.id, run, base).state == "refused"
    case.gate.write_text(GATE.replace("0.05", "0.99").replace('[[rules]]\nmetric = "exact"\n[[', "[["), "utf-8")
    with pytest.raises(Conflict, match="not the gate of request"):
        case.bring(asked.id, run, base, gate=case.gate)
    other = case.ask(evidence_run=case.run(case.two, GOOD), against=case.run(case.one, BAD))
    assert [each["request"] for each in other.other_gates] == [asked.id]
    assert "asked before with other rules" in str(other)


def test_what_can_not_be_weighed_is_not_asked_for(case: Case):
    run, base = case.run(case.two, GOOD), case.run(case.one, BAD)
    with pytest.raises(InvalidInput, match="lost"):
        case.ask(gate=Gate("lost"), evidence_run=run, against=base)
    assert prompts.requests(case.name, gateway=case.gateway) == []
    assert case.ask(evidence_run=run, against=base).state == "passed"


def test_who_approves_computes_again(case: Case, monkeypatch: pytest.MonkeyPatch):
    asked = case.ask()
    run, base = case.run(case.two, BAD), case.run(case.one, GOOD)
    live = {"passed": True, "decision": "better, I say", "gates_hash": asked.gates.hash, "hash": asked.hash,
            "base": None, "run_id": run, "run_started_at": datetime.now(UTC).isoformat(),
            "evidence": {"dataset_hash": "sha256:data", "model": "chatty", "baseline_run_id": base}}  # fmt: skip
    case.gateway.promotion.bring(asked.id, live)
    case.be("ben")
    with pytest.raises(PromotionRefused, match="Computed again"):
        case.approve(asked.id)


def test_a_judge_that_may_not_gate_lets_nothing_pass(case: Case):
    trust = json.dumps({"exact": {"may_gate": False, "agreement": 0.2}})
    asked = case.ask(evidence_run=case.run(case.two, GOOD, judges=trust), against=case.run(case.one, BAD))
    assert asked.state == "refused"
    assert asked.evidence is not None
    assert "may not gate" in asked.evidence["decision"]


def test_what_people_voted_stands_in_the_record(case: Case, tracker: Tracker):
    run, base = (case.run(which, scores[:10], traces=True) for which, scores in ((case.two, GOOD), (case.one, GOOD)))
    ours = {str(trace) for trace in tracker.table(run)["trace_id"]}
    gate = Gate("votes", "win_rate", min_examples=12)
    asked = case.ask(gate=gate, evidence_run=run, against=base)
    assert asked.evidence is not None
    assert asked.evidence["decision"] == "too few votes: n = 0, the gate asks for 12"
    for rater in ("dora", "emil"):
        for pair in feedback.pairs(run, base, tracker=tracker):
            feedback.vote(pair, "left" if pair.left in ours else "right", rater, tracker=tracker)
    assert case.bring(asked.id, run, base).state == "passed"
    case.be("ben")
    case.approve(asked.id)
    counted = case.publish(asked.id).record["evidence"]["feedback"]
    assert (counted["votes"], counted["raters"], counted["wins"]) == (20, 2, 20)


def test_rollback_asks_nobody_and_the_past_is_answered(case: Case, tracker: Tracker):
    case.make_live()
    between = datetime.now(UTC)
    case.be("ana")
    three = prompts.register(case.name, "three {{m}}", tracker=tracker)
    asked = prompts.request(
        case.name, 3, gate=Gate("exact", "at_least", threshold=0.5), reason="r", evidence_run=case.run(three, GOOD),
        gateway=case.gateway, tracker=tracker,
    )  # fmt: skip
    case.be("ben")
    case.approve(asked.id)
    assert case.publish(asked.id).previous_version == 2
    back = case.cli("rollback", case.name, "--reason", "users complain")
    assert f"{case.name}@production is v2 (before: v3)" in back.output
    assert tracker.aliases(case.name) == {"production": 2}
    assert prompts.as_of(case.name, between + timedelta(milliseconds=1), gateway=case.gateway).version == 2
    assert f"{case.name} v2 was live" in case.cli("as-of", case.name, datetime.now(UTC).isoformat()).output


@pytest.mark.parametrize("tamper", ["text", "alias", "version", "prompt"])
def test_a_registry_that_was_tampered_with_is_told_and_the_last_good_prompt_served(
    case: Case, tracker: Tracker, tmp_path: Path, tamper: str
):
    case.make_live()
    anchor = str(tmp_path / "anchor.json")
    assert case.name not in case.cli("verify", "--anchor", anchor).output
    client = tracker._store.client  # the tracking door's own client: what anybody with MLflow's API can do
    if tamper == "text":
        client.set_prompt_version_tag(case.name, "2", "mlflow.prompt.text", json.dumps("EVIL {{m}}"))
    elif tamper == "alias":
        client.set_prompt_alias(case.name, "production", 1)
    else:
        for version in ("2",) if tamper == "version" else ("2", "1"):
            client.delete_prompt_version(case.name, version)
        if tamper == "prompt":
            client.delete_prompt(case.name)
    told = case.cli("verify", "--anchor", anchor)
    assert told.exit_code == 3
    assert case.name in told.output
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        served = prompts.load(f"{case.name}@production", gateway=case.gateway, tracker=tracker)
    assert (served.template, served.hash) == ("two {{m}}", case.two.hash)
    if tamper == "alias":
        case.cli("sync", case.name)
        assert case.name not in case.cli("verify").output


def test_a_record_that_was_written_anew_does_not_fit_its_anchor(case: Case, tmp_path: Path):
    case.make_live()
    anchor = tmp_path / "anchor.json"
    found = prompts.verify(anchor=anchor, gateway=case.gateway, tracker=case.tracker)
    assert (found.anchored, json.loads(anchor.read_text())["record_hash"]) == (False, found.record_hash)
    assert prompts.verify(anchor=anchor, gateway=case.gateway, tracker=case.tracker).anchored is True
    anchor.write_text(json.dumps({"seq": 1, "record_hash": "f" * 64}))
    again = prompts.verify(anchor=anchor, gateway=case.gateway, tracker=case.tracker)
    assert any("written anew" in problem for problem in again.problems)


def test_what_is_live_is_watched_beside_what_was(case: Case, tracker: Tracker, monkeypatch: pytest.MonkeyPatch):
    case.make_live()
    _talk(case, 2, calls=25, worth=1)
    assert prompts.watch(case.name, gateway=case.gateway).before_version is None
    case.be("ana")
    three = prompts.register(case.name, "three {{m}}", tracker=tracker)
    asked = prompts.request(
        case.name, 3, gate=Gate("exact", "at_least", threshold=0.5), reason="r", evidence_run=case.run(three, GOOD),
        gateway=case.gateway, tracker=tracker,
    )  # fmt: skip
    case.be("ben")
    case.approve(asked.id)
    case.publish(asked.id)
    early = prompts.watch(case.name, gateway=case.gateway)
    assert (early.calls, early.before_calls, early.proposes_rollback) == (0, 25, False)
    _talk(case, 3, calls=30, worth=0)
    found = prompts.watch(case.name, gateway=case.gateway)
    assert (found.version, found.before_version, found.calls) == (3, 2, 30)
    assert found.proposes_rollback
    assert "feedback" in found.reason
    assert found.table().loc["feedback", "before"] == 1
    told = case.cli("watch", case.name)
    assert (told.exit_code, "ROLL BACK" in told.output) == (3, True)
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", "http://127.0.0.1:9")
    assert case.cli("watch", case.name).exit_code == 1, "nobody could look"


def _talk(case: Case, version: int, *, calls: int, worth: int) -> None:
    """Make calls by a version that is live, and say what they were worth."""
    prompt = prompts.load(f"{case.name}@production", gateway=case.gateway)
    assert prompt.version == version
    for _ in range(calls):
        said = prompt.chat(case.gateway, model="chatty", m="hello")
        case.gateway.feedback(said.request_id, worth)


def test_a_widget_asks_and_the_app_approves(case: Case, tracker: Tracker):
    words = ["amber", "blue", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade", "khaki", "lime"]
    rows = [{"id": word, "inputs": {"m": word}, "expected": f"echo: two {word}"} for word in words]
    candidates = [experiments.Candidate(str(p.version), prompt=p, model="chatty") for p in (case.one, case.two)]
    ran = experiments.run(
        case.name, candidates, Dataset.from_rows(rows, name="w"), [exact_match()], gateway=case.gateway,
        tracker=tracker, progress=False,
    )  # fmt: skip

    def form() -> widgets.PromotionForm:
        return widgets.promote(
            f"{case.name}@2", evidence=ran, gate="exact_match", against="1", gateway=case.gateway, tracker=tracker
        )

    asking = form()
    assert 'data-do="ask"' in asking._body()
    assert "it is <b>better</b>" not in asking._static()
    assert asking.ask("it is <b>better</b>").state == "passed"
    assert "it is &lt;b&gt;better&lt;/b&gt;" in asking._static()
    with pytest.raises(PermissionDenied):
        asking._act("approve", {})
    case.be("ben")
    deciding = form()
    assert "a reviewer must approve" in repr(deciding)
    assert 'data-do="approve"' in deciding._body()
    assert asking.request is not None
    page = AppTest.from_file(str(VIEW), default_timeout=60).run()
    page.sidebar.selectbox[0].select_index(_place(page, case.name)).run()
    page.button(key=f"withdraw-{asking.request.id}").click().run()
    assert "ben is none of scientist" in page.error[0].value, "who asked withdraws"
    page.run()
    assert page.button(key=f"publish-{asking.request.id}").disabled
    page.button(key=f"approve-{asking.request.id}").click().run()
    assert not page.exception
    assert not page.button(key=f"publish-{asking.request.id}").disabled
    deciding._act("again", {})
    assert 'data-do="publish"' in deciding._body()
    deciding._act("publish", {})
    assert deciding.promotion is not None
    assert case.gateway.published(case.name).version == 2


def _place(page: AppTest, experiment: str) -> int:
    """Return where an experiment stands in the list of the sidebar."""
    return next(n for n, option in enumerate(page.sidebar.selectbox[0].options) if option.startswith(experiment))
