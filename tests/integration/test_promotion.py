"""A promotion from the evidence to what applications load: real gateway, real MLflow store, one home."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from workbench import feedback, prompts, tracking
from workbench.cli import main
from workbench.client import Gateway
from workbench.errors import Conflict, GatewayUnreachable, IntegrityError, InvalidInput, NotFound, PromotionRefused
from workbench.prompts import Gate
from workbench.settings import Settings
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders
from workbench.tracking import RunRecord, TraceRecord
from workbench.tracking.tracker import Tracker

GOOD, BAD, MIXED = [1.0] * 13 + [0.0], [0.0] * 12 + [1.0] * 2, [1.0, 0.0] * 7
GATE = Gate("exact")
numbers = count()


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tracking_settings: Settings, tracker: Tracker) -> Iterator[RunningGateway]:
    with simulated_gateway(tracking_settings.home, providers) as found:
        yield found


@pytest.fixture
def gateway(running: RunningGateway, tracking_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    key = running.issue_key()
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=key) as found:
        yield found


class Case:
    """A prompt with its versions and the runs that are its evidence."""

    def __init__(self, tracker: Tracker, gateway: Gateway) -> None:
        self.name = f"case-{os.getpid()}-{next(numbers)}"
        self.tracker, self.gateway = tracker, gateway

    def version(self, text: str, **fields) -> prompts.Prompt:
        return prompts.register(self.name, text, tracker=self.tracker, **fields)

    def run(self, ran: prompts.Prompt, scores: list, *, status: str = "FINISHED", **tags: str) -> str:
        cells = pd.DataFrame(
            {
                "example_id": [f"e{n}" for n in range(len(scores))],
                "repeat": 0,
                "output": "x",
                "error": None,
                "trace_id": None,
                "score.exact": scores,
            }
        )
        known = {
            "workbench.prompt": ran.name,
            "workbench.prompt_version": str(ran.version),
            "workbench.prompt_hash": ran.hash,
            "workbench.dataset_hash": "sha256:data",
            "workbench.model": "chatty",
        }
        tags = {**known, **{f"workbench.{key}": value for key, value in tags.items()}}
        return self.tracker.write_run(
            RunRecord(self.name, f"v{ran.version}", tags=tags, tables={"cells.json": cells}, status=status)
        )

    def promote(self, version: int, run: str, **options) -> prompts.Promotion:
        whole = {"gate": GATE, "reason": "it answers better", **options}
        return prompts.promote(
            self.name, version, evidence_run=run, gateway=self.gateway, tracker=self.tracker, **whole
        )

    def live(self) -> prompts.Prompt:
        return prompts.load(f"{self.name}@production", gateway=self.gateway, tracker=self.tracker)


@pytest.fixture
def case(tracker: Tracker, gateway: Gateway) -> Case:
    return Case(tracker, gateway)


@pytest.fixture
def promoted(case: Case) -> Case:
    """Version 1 is live; version 2 is registered."""
    one, two = case.version("one {{m}}", parameters={"temperature": 0}), case.version("two {{m}}")
    case.promote(1, case.run(one, GOOD), against=case.run(two, BAD))
    return case


# -- what passes


def test_a_better_version_goes_live_with_its_evidence(case: Case, tracker: Tracker, gateway: Gateway):
    schema = {"type": "object"}
    plain, shots = (
        case.version("plain {{m}}"),
        case.version("shots {{m}}", parameters={"temperature": 0}, schema=schema),
    )
    evidence, baseline = case.run(shots, GOOD), case.run(plain, BAD)
    done = case.promote(2, evidence, against=baseline)
    assert (done.version, done.previous_version, done.alias_follows, done.note) == (2, None, True, None)
    assert str(done).startswith(f"{case.name}@production is v2; better: difference +0.79 [")
    live = case.live()
    assert (live.version, live.alias, live.template) == (2, "production", "shots {{m}}")
    assert (live.parameters, live.schema, live.hash) == ({"temperature": 0}, schema, shots.hash)
    assert tracker.aliases(case.name) == {"production": 2}
    record = gateway.history(case.name)[0]
    assert record["reason"] == "it answers better"
    told = record["evidence"]
    assert (told["run_id"], told["baseline_run_id"], told["dataset_hash"]) == (evidence, baseline, "sha256:data")
    assert told["gate"]["metric"] == "exact"
    assert told["figures"]["n"] == 14
    assert told["figures"]["low"] > 0


def test_a_promotion_is_measured_against_what_is_live(promoted: Case, gateway: Gateway):
    two = promoted.tracker.get_prompt(promoted.name, 2)
    live = promoted.run(promoted.live(), BAD)
    evidence = promoted.run(prompts.load(f"{promoted.name}@2", tracker=promoted.tracker), GOOD)
    done = promoted.promote(2, evidence)
    assert (done.version, done.previous_version) == (2, 1)
    told = gateway.history(promoted.name)[0]["evidence"]
    assert (told["baseline_run_id"], told["live_version"]) == (live, 1)
    assert promoted.live().hash == two.hash


def test_a_threshold_needs_no_baseline(case: Case):
    only = case.version("only")
    gate = Gate("exact", rule="at_least", threshold=0.6)
    assert case.promote(1, case.run(only, GOOD), gate=gate).version == 1
    assert case.live().version == 1


def test_an_alias_of_ones_own_is_another_record(promoted: Case, tracker: Tracker):
    promoted.promote(
        2,
        promoted.run(promoted.version("two {{m}}"), GOOD),
        alias="canary",
        gate=Gate("exact", "at_least", threshold=0.5),
    )
    assert promoted.live().version == 1
    assert tracker.aliases(promoted.name) == {"production": 1, "canary": 2}


# -- what is refused


def test_a_difference_that_may_be_chance_goes_nowhere(case: Case, tracker: Tracker, gateway: Gateway):
    one, two = case.version("one"), case.version("two")
    with pytest.raises(PromotionRefused) as caught:
        case.promote(2, case.run(two, [1.0] * 8 + [0.0] * 6), against=case.run(one, MIXED))
    assert "not distinguishable: difference +0.07 [-0." in str(caught.value)
    assert "n = 14 (exact, superior at 95% against run 'v1'" in str(caught.value)
    with pytest.raises(NotFound):
        gateway.published(case.name)
    assert tracker.aliases(case.name) == {}


def test_the_first_promotion_must_be_told_what_to_compare_with(case: Case):
    one = case.version("one")
    with pytest.raises(InvalidInput, match=r"Nothing is live as .*against=.*at_least"):
        case.promote(1, case.run(one, GOOD))


def test_what_is_live_must_have_been_run_on_the_same_data(promoted: Case):
    evidence = promoted.run(promoted.version("two {{m}}"), GOOD, dataset_hash="sha256:other")
    with pytest.raises(InvalidInput, match=r"No run .* has .* v1, which is live, on the same data"):
        promoted.promote(2, evidence)


def test_what_is_live_is_not_promoted_again(promoted: Case, gateway: Gateway):
    evidence = promoted.run(promoted.live(), GOOD)
    with pytest.raises(Conflict, match="v1 is live as 'production' already"):
        promoted.promote(1, evidence)
    assert len(gateway.history(promoted.name)) == 1


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"prompt": "another"}, "is about another v2"),
        ({"prompt_version": "1"}, "is about .* v1"),
        ({"prompt_hash": "0" * 64}, "used another text or other parameters"),
        ({"model": "smart"}, "asked the model 'smart', but .* names 'chatty'"),
        ({"dataset_hash": "sha256:other"}, "not on the same data"),
    ],
)
def test_a_run_that_is_about_something_else_is_no_evidence(case: Case, tags, what):
    one, two = case.version("one"), case.version("two", parameters={"model": "chatty"})
    baseline = case.run(one, BAD)
    with pytest.raises(InvalidInput, match=what):
        case.promote(2, case.run(two, GOOD, **tags), against=baseline)


def test_a_run_that_did_not_finish_is_no_evidence(case: Case):
    one, two = case.version("one"), case.version("two")
    baseline = case.run(one, BAD)
    with pytest.raises(InvalidInput, match="is FAILED, not FINISHED"):
        case.promote(2, case.run(two, GOOD, status="FAILED"), against=baseline)
    whole = case.run(two, GOOD)
    with pytest.raises(InvalidInput, match="its own baseline"):
        case.promote(2, whole, against=whole)
    with pytest.raises(InvalidInput, match="needs a reason"):
        case.promote(2, whole, against=baseline, reason=" ")


# -- what was changed behind our back


def rewrite(tracker: Tracker, name: str, version: int, text: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri, registry_uri=tracker.uri)
    client.set_prompt_version_tag(name, version, "mlflow.prompt.text", text)


def test_a_text_that_was_rewritten_is_not_promoted_and_not_loaded(case: Case, tracker: Tracker):
    one, two = case.version("one"), case.version("two")
    evidence, baseline = case.run(two, GOOD), case.run(one, BAD)
    rewrite(tracker, case.name, 2, "EVIL")
    with pytest.raises(IntegrityError, match="was changed in MLflow after it was registered"):
        case.promote(2, evidence, against=baseline)
    with pytest.raises(IntegrityError):
        prompts.load(f"{case.name}@2", tracker=tracker)
    with pytest.raises(IntegrityError):
        prompts.load(case.name, tracker=tracker)


def test_what_is_live_is_served_as_published_and_the_rewriting_is_told(promoted: Case, tracker: Tracker):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert promoted.live().template == "one {{m}}"
    rewrite(tracker, promoted.name, 1, "EVIL")
    with pytest.warns(UserWarning, match="is not the one that was published"):
        assert promoted.live().template == "one {{m}}"
    found = prompts.sync(promoted.name, gateway=promoted.gateway, tracker=tracker)
    assert "not the one that was published" in found.problem


class Healthy(BaseHTTPRequestHandler):
    """A tracking server that is up, and answers nothing else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_live_is_loaded_at_once_while_the_tracking_server_is_down(
    promoted: Case, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
        (tmp_path / "workbench.toml").write_text(f'[tracking]\nuri = "{uri}"\n', "utf-8")
        assert tracking.connected() is None, "another store that is open is not the one that is configured"
        assert tracking.connect() is tracking.connected()
        server.shutdown()
    begun = time.monotonic()
    with pytest.warns(UserWarning, match="MLflow could not be asked"):
        assert prompts.load(f"{promoted.name}@production", gateway=gateway).template == "one {{m}}"
    assert time.monotonic() - begun < 30, "MLflow's own retries take minutes"


def test_an_alias_that_was_moved_in_mlflow_is_moved_back(promoted: Case, tracker: Tracker):
    tracker.set_alias(promoted.name, "production", 2)
    assert promoted.live().version == 1
    found = prompts.sync(promoted.name, gateway=promoted.gateway, tracker=tracker)
    assert (found.version, found.moved, found.moved_from, found.problem) == (1, True, 2, None)
    assert tracker.aliases(promoted.name) == {"production": 1}
    assert not prompts.sync(promoted.name, gateway=promoted.gateway, tracker=tracker).moved


def test_a_version_that_was_published_with_another_text_is_not_promoted(case: Case, gateway: Gateway):
    one = case.version("one")
    gateway.publish(case.name, 1, "something else", reason="by hand")
    gateway.publish(case.name, 7, "and another", reason="by hand")
    with pytest.raises(IntegrityError, match="published before with another text"):
        case.promote(1, case.run(one, GOOD))


# -- the way back


def test_a_rollback_is_a_new_record_of_what_was_live(promoted: Case, tracker: Tracker, gateway: Gateway):
    promoted.run(promoted.live(), BAD)
    promoted.promote(2, promoted.run(promoted.version("two {{m}}"), GOOD))
    rewrite(tracker, promoted.name, 1, "EVIL")
    back = prompts.rollback(promoted.name, to=1, reason="complaints", gateway=gateway, tracker=tracker)
    assert (back.version, back.previous_version, back.decision) == (1, 2, None)
    assert gateway.published(promoted.name).template == "one {{m}}", "what was recorded, not what MLflow holds now"
    told = prompts.history(promoted.name, gateway=gateway)
    assert told["version"].tolist() == [1, 2, 1]
    assert told["reason"].tolist()[0] == "complaints"
    assert told["evidence"][0] == {"rollback_to": told["seq"][2], "live_version": 2}
    assert tracker.aliases(promoted.name) == {"production": 1}


def test_only_what_was_live_can_be_rolled_back_to(promoted: Case, gateway: Gateway, tracker: Tracker):
    with pytest.raises(NotFound, match=r"v2 was never live as 'production'. There were: v1"):
        prompts.rollback(promoted.name, to=2, reason="x", gateway=gateway, tracker=tracker)
    with pytest.raises(Conflict, match="live as 'production' already"):
        prompts.rollback(promoted.name, to=1, reason="x", gateway=gateway, tracker=tracker)


def test_a_promotion_stands_when_mlflows_alias_does_not_follow(promoted: Case, gateway: Gateway, tracker: Tracker):
    from mlflow import MlflowClient

    promoted.run(promoted.live(), BAD)
    promoted.promote(2, promoted.run(promoted.version("two {{m}}"), GOOD))
    client = MlflowClient(tracking_uri=tracker.uri, registry_uri=tracker.uri)
    client.delete_prompt_version(promoted.name, "1")
    back = prompts.rollback(promoted.name, to=1, reason="complaints", gateway=gateway, tracker=tracker)
    assert not back.alias_follows
    assert f"workbench prompts sync {promoted.name}" in back.note
    assert gateway.published(promoted.name).version == 1
    found = prompts.sync(promoted.name, gateway=gateway, tracker=tracker)
    assert "MLflow does not hold" in found.problem


# -- loading and asking


def test_a_published_prompt_asks_and_the_ledger_names_it(promoted: Case, providers: SimulatedProviders):
    prompt = promoted.live()
    answer = prompt.chat(promoted.gateway, model="chatty", m="hello")
    assert answer.text == "echo: one hello"
    assert providers.requests[-1].body["temperature"] == 0
    (row,) = promoted.gateway.calls(answer.request_id)
    tags = row["tags"] if isinstance(row["tags"], dict) else json.loads(row["tags"])
    assert tags == {"prompt": promoted.name, "prompt_version": "1", "prompt_alias": "production"}


def test_a_prompt_that_shows_a_picture_can_be_published(case: Case, providers: SimulatedProviders):
    parts = [{"type": "text", "text": "What is {{m}}?"}, {"type": "image_url", "image_url": {"url": "{{picture}}"}}]
    only = case.version([{"role": "user", "content": parts}])
    case.promote(1, case.run(only, GOOD), gate=Gate("exact", "at_least", threshold=0.5))
    assert case.live().hash == only.hash
    picture = "data:image/png;base64,iVBORw0KGgo="
    case.live().chat(case.gateway, model="chatty", m="this", picture=picture)
    sent = providers.requests[-1].body["messages"][0]["content"]
    assert (sent[0]["text"], sent[1]["image_url"]["url"]) == ("What is this?", picture)


def test_defaults_are_found_in_the_environment(promoted: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(promoted.tracker._store.home)
    assert prompts.load(f"{promoted.name}@production").template == "one {{m}}"
    assert prompts.load(f"{promoted.name}").version == 2
    assert prompts.history(promoted.name)["version"].tolist() == [1]


def test_without_a_gateway_an_alias_can_not_be_loaded_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("WORKBENCH_GATEWAY_URL", "WORKBENCH_KEY_FILE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(GatewayUnreachable, match="No gateway was found"):
        prompts.load("label@production")


@pytest.mark.parametrize("spec", ["", "@production", "label@"])
def test_what_names_no_prompt_is_refused(spec):
    with pytest.raises(InvalidInput, match="names no prompt"):
        prompts.load(spec)


# -- the shell


def shell(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["prompts", *arguments])


def test_a_promotion_from_the_shell(promoted: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "three.txt").write_text("three {{m}}\n", "utf-8")
    name = promoted.name
    made = json.loads(shell("register", name, "--file", "three.txt", "-p", "temperature=0", "--json").output)
    assert (made["version"], made["parameters"]) == (3, {"temperature": 0})
    assert shell("diff", name, "1", "3").exit_code == 1
    assert shell("diff", name, "1", "production").exit_code == 0
    promoted.run(promoted.live(), MIXED)
    prompt = prompts.load(f"{name}@3", tracker=promoted.tracker)
    weak, strong = promoted.run(prompt, [1.0] * 8 + [0.0] * 6), promoted.run(prompt, [1.0] * 14)
    refused = shell("promote", name, "3", "--evidence", weak, "--metric", "exact", "--reason", "better")
    assert refused.exit_code == 1
    assert "not distinguishable: difference +0.07" in refused.output
    done = shell("promote", name, "3", "--evidence", strong, "--metric", "exact", "--reason", "better", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["previous_version"] == 1
    assert "live as production" in shell("show", f"{name}@production").output
    back = shell("rollback", name, "--to", "1", "--reason", "complaints")
    assert back.output.startswith(f"{name}@production is v1 (before: v3)")
    told = json.loads(shell("history", name, "--json").output)
    assert [row["version"] for row in told] == [1, 3, 1]
    assert "rollback" in shell("history", name).output
    listed = {row["name"]: row for row in json.loads(shell("list", "--json").output)}
    assert (listed[name]["latest"], listed[name]["aliases"]) == (3, {"production": 1})
    synced = shell("sync", name)
    assert (synced.exit_code, synced.output) == (0, f"{name}@production is v1; MLflow's alias: as it was.\n")
    rewrite(promoted.tracker, name, 1, "EVIL")
    assert shell("sync", name).exit_code == 1


# -- feedback from applications


def test_feedback_of_applications_reaches_the_trace_once(case: Case, tracker: Tracker, gateway: Gateway):
    traced, untraced = (gateway.chat("hello", model="chatty").request_id for _ in range(2))
    now = datetime.now(UTC)
    record = TraceRecord("chat", "hello", "hi", now, now, request_id=traced)
    tracker.write_run(RunRecord(case.name, "A", traces=[record]))
    gateway.feedback(traced, True, comment="thanks")
    gateway.feedback(untraced, 2)
    first = feedback.drain(gateway, tracker=tracker)
    assert first.rows >= 2
    assert first.new_traces == 1
    said = tracker.ratings([record.trace_id])
    assert said[["name", "value", "source", "rationale"]].values.tolist() == [["feedback", True, "CODE", "thanks"]]
    other = tracker.trace_of_request(untraced)
    assert tracker.ratings([other])["value"].tolist() == [2]

    assert feedback.drain(gateway, tracker=tracker).rows == 0, "it goes on where the last one ended"
    again = feedback.drain(gateway, after=0, tracker=tracker)
    assert (again.rows, again.new_traces) == (first.rows, 0)
    assert len(tracker.ratings([record.trace_id])) == 1
    assert feedback.drain(gateway, after=first.last_seq, tracker=tracker).rows == 0

    gateway.feedback(traced, False)
    changed = feedback.drain(gateway, after=first.last_seq, tracker=tracker)
    assert changed.rows == 1
    assert tracker.ratings([record.trace_id])["value"].tolist() == [False]
