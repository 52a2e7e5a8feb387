"""One writer to MLflow: whole runs in few writes, with data, judges and a sample of the traces; raters find what was
traced, and no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from workbench import experiments, feedback
from workbench.evidence import Dataset, JudgeTrust, exact_match, scorer
from workbench.experiments import Candidate
from workbench.tracking import store
from workbench.tracking.tracker import Tracker

TRUST = JudgeTrust("j", "polite", "cohen_kappa", 0.8, 0.6, 0.9, 50)


def trial(tracker: Tracker, name: str, *, count: int = 12, **options):
    def fails(inputs):
        if inputs["q"] == 3:
            raise ValueError("gone")
        return str(inputs["q"])

    rows = [{"id": f"e{i}", "inputs": {"q": i}, "expected": str(i), "group": f"g{i % 4}"} for i in range(count)]
    polite = replace(scorer(lambda output, example: 1.0, name="polite"), trust=TRUST)
    return experiments.run(
        name,
        [Candidate("right", call=fails), Candidate("same", call=lambda inputs: f"it is {inputs['q']}")],
        Dataset.from_rows(rows, name="numbers"),
        [exact_match(), polite],
        tracker=tracker,
        progress=False,
        **options,
    )


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A mark for each write that reaches MLflow's store."""
    seen: list[object] = []
    write = store.Store.write

    def counted(self, action):
        seen.append(action)
        return write(self, action)

    monkeypatch.setattr(store.Store, "write", counted)
    return seen


def test_a_run_of_many_rows_takes_as_few_writes_as_one_of_few(tracker: Tracker, writes: list[object]) -> None:
    trial(tracker, "few rows", count=8, traces="none")
    few = len(writes)
    trial(tracker, "many rows", count=800, traces="none")
    assert len(writes) - few <= few
    assert few < 25


def test_data_groups_judges_and_versions_stand_with_the_run(tracker: Tracker) -> None:
    from mlflow import MlflowClient

    result = trial(tracker, "with data")
    logged = MlflowClient(tracking_uri=tracker.uri).get_run(result.run_ids["right"])
    (given,) = logged.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("numbers", result.dataset_hash[:36])
    assert json.loads(given.dataset.source) == {"hash": result.dataset_hash, "num_rows": 12}
    judges = json.loads(logged.data.tags["workbench.judges"])
    assert judges == {"polite": TRUST.as_dict()}
    assert judges["polite"]["may_gate"] is True
    read = experiments.load(result.experiment_id, tracker=tracker)
    assert read.judges == judges
    assert read.environment == result.environment
    assert read.cells["group"].tolist() == result.cells["group"].tolist()
    assert read.table().loc["same", "score.polite.unit"] == "group"
    pd.testing.assert_frame_equal(read.table(), result.table())


def test_only_failures_leave_a_trace_where_that_is_asked_for(tracker: Tracker) -> None:
    result = trial(tracker, "failures alone", traces="failures")
    named = result.cells[result.cells["trace_id"].notna()]
    assert named[["candidate", "example_id"]].to_numpy().tolist() == [["right", "e3"]]
    assert [trace.trace_id for trace in tracker.traces(result.run_ids["right"])] == named["trace_id"].tolist()
    assert tracker.traces(result.run_ids["same"]) == []
    assert experiments.load(result.experiment_id, tracker=tracker).cells["trace_id"].notna().sum() == 1


def test_raters_get_the_pairs_that_were_traced(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.experiments.records import traced

    monkeypatch.setattr(traced, "MOST", 8)
    result = trial(tracker, "sampled", count=40)
    runs = result.run_ids
    pairs = feedback.pairs(runs["right"], runs["same"], tracker=tracker)
    found = {pair.example_id for pair in pairs}
    kept = set(result.cells[result.cells["trace_id"].notna() & result.cells["error"].isna()]["example_id"])
    assert found == kept - {"e3"}
    assert 3 <= len(found) <= 4, "the same examples were drawn for both"
    link = result.share(raters=["ana"], app_url="http://app.example", tracker=tracker)
    assert link.items >= len(found)
