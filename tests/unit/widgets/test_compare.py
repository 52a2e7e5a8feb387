"""Candidates side by side: named, with figures, one example at a time; the twin shows the table and the outputs."""

import json
from dataclasses import replace

import pytest

from workbench import experiments, widgets
from workbench.errors import InvalidInput


def test_the_examples_are_looked_through_one_at_a_time(experiment, tracker, front_end):
    page = front_end(widgets.compare(experiment, tracker=tracker))
    assert "1 of 4" in page.body
    assert "wordy" in page.body
    assert "pictured" in page.body
    assert "question &lt;b&gt;0&lt;/b&gt;" in page.body
    page.press("next")
    assert "2 of 4" in page.body
    assert "question &lt;b&gt;1&lt;/b&gt;" in page.body
    page.press("back")
    assert "1 of 4" in page.body


def test_only_the_examples_where_candidates_differ_are_shown_where_that_is_wished(experiment, tracker, front_end):
    page = front_end(widgets.compare(experiment, tracker=tracker))
    page.press("differ")
    assert "1 of 3" in page.body
    page.press("differ")
    assert "1 of 4" in page.body


def test_the_twin_holds_the_table_and_the_outputs_as_text(experiment, tracker):
    bundle = widgets.compare(experiment, tracker=tracker)._repr_mimebundle_()
    assert "Means with 95% intervals" in bundle["text/html"]
    assert "4 examples with their outputs" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert "<img src=x" not in bundle["text/html"]
    assert "&lt;script&gt;" in bundle["text/html"]
    assert "<button" not in bundle["text/html"]
    assert "wordy | pictured on 4 examples" in bundle["text/plain"]


def test_runs_and_ids_are_read_from_mlflow(experiment, tracker, front_end):
    by_id = front_end(widgets.compare(experiment.experiment_id, tracker=tracker))
    runs = [experiment.run_ids[name] for name in ("pictured", "wordy")]
    by_runs = widgets.compare(runs, tracker=tracker)
    assert "1 of 4" in by_id.body
    assert "pictured | wordy on 4 examples" in repr(by_runs)
    assert "1 of 4" in front_end(by_runs).body


def test_runs_on_other_data_are_not_compared(experiment, tracker):
    rows = [{"id": "e0", "inputs": {"q": "another"}, "expected": "x"}]
    other = experiments.run(
        "another", [experiments.Candidate("wordy", call=lambda _: "x")], rows, [], tracker=tracker, progress=False
    )
    with pytest.raises(InvalidInput, match="not on the same data"):
        widgets.compare([*experiment.run_ids.values(), *other.run_ids.values()], tracker=tracker)


def test_an_experiment_that_is_not_in_mlflow_is_shown_too(experiment, tracker, front_end):
    untracked = replace(experiment, candidates=tuple(replace(c, run_id=None) for c in experiment.candidates))
    assert "1 of 4" in front_end(widgets.compare(untracked, "wordy", tracker=tracker)).body


def test_a_candidate_that_is_not_there_is_named_with_those_that_are(experiment, tracker):
    with pytest.raises(InvalidInput, match="No candidate named 'nobody'"):
        widgets.compare(experiment, "nobody", tracker=tracker)


def test_the_state_is_json(experiment, tracker, front_end):
    state = front_end(widgets.compare(experiment, tracker=tracker)).state
    assert "data-do" in json.dumps(state, default=str)
