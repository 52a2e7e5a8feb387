"""Datasets in a real MLflow store: saved versions, what was tampered with, examples from traces."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.evidence import Dataset, Example
from workbench.tracking import RunRecord, TraceRecord

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def _data(name, count=3):
    return Dataset(
        tuple(Example(f"e{n}", {"q": f"question {n}"}, f"{n}", f"g{n}", {"kind": "test"}) for n in range(count)),
        name,
        "a test",
    )


@pytest.fixture(scope="module")
def store(tracking_settings, tracker):
    """The tracker, in force where none is passed."""
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_HOME", str(tracking_settings.home))
    yield tracker
    patch.undo()


def test_versions_count_up_and_equal_content_makes_none(store):
    first, second = _data("kept"), _data("kept", 4)
    assert [each.save().version for each in (first, second, first)] == [1, 2, 1]
    latest, old = Dataset.load("kept"), Dataset.load("kept", 1)
    assert (latest.version, latest.hash, old.version, old.hash) == (2, second.hash, 1, first.hash)
    assert old.examples == first.examples
    assert (old.origin, old.examples[0].source) == ("a test", {"kind": "test"})
    assert Dataset.load("kept", digest=first.hash[:10]).version == 1
    table = Dataset.versions("kept")
    assert list(table["version"]) == [2, 1]
    assert list(table["examples"]) == [4, 3]
    assert "v1, 3 examples of 3 groups" in repr(old)


def test_what_was_never_saved_is_not_found_and_the_empty_is_not_saved(store):
    _data("one version").save()
    with pytest.raises(NotFound, match="No dataset 'one version' v7") as caught:
        Dataset.load("one version", 7)
    assert "v1" in str(caught.value.hint)
    with pytest.raises(NotFound, match="No dataset 'nobody'"):
        Dataset.load("nobody")
    with pytest.raises(InvalidInput, match="is empty"):
        Dataset((), "nothing").save()


def test_a_version_that_somebody_changed_is_refused(store, tracking_settings):
    data = _data("changed")
    data.save()
    run_id = Dataset.versions("changed")["run_id"][0]
    (file,) = (tracking_settings.home / "artifacts").rglob(f"*/{run_id}/**/examples.jsonl")
    file.write_text(file.read_text("utf-8").replace("question 1", "another question"), "utf-8")
    with pytest.raises(IntegrityError, match="'changed' v1 is no longer what was saved"):
        Dataset.load("changed")


def test_two_that_were_saved_at_once_under_one_number_are_told_apart_by_their_hash(store):
    # On a tracking server there is no lock between machines.
    for data in (_data("twins"), _data("twins", 4)):
        store.write_run(
            RunRecord(
                experiment="datasets",
                name="twins v1",
                tags={
                    "workbench.dataset": "twins",
                    "workbench.dataset_version": "1",
                    "workbench.dataset_hash": data.hash,
                },
                files={"examples.jsonl": b"".join(json.dumps(r).encode() + b"\n" for r in data.to_rows())},
            )
        )
    with pytest.raises(Conflict, match="saved at once"):
        Dataset.load("twins", 1)
    assert len(Dataset.load("twins", 1, digest=_data("twins", 4).hash)) == 4


def test_traces_become_examples_with_what_people_expect_of_them(store):
    from mlflow.entities import AssessmentSource, Expectation
    from mlflow.tracing.client import TracingClient

    traces = [
        TraceRecord(
            "chat",
            inputs={"q": question},
            outputs=answer,
            started_at=NOW + timedelta(seconds=place),
            ended_at=NOW + timedelta(seconds=place + 1),
            status="ERROR" if answer is None else "OK",
            request_id=f"req-{place}",
            tags={"workbench.example_id": f"ex-{place}"},
        )
        for place, (question, answer) in enumerate([("x", "1"), ("y", "2"), ("broken", None), ("x", "1 again")])
    ]
    run_id = store.write_run(RunRecord(experiment="traced", name="run", traces=traces))
    TracingClient(store.uri).store.create_assessment(
        Expectation(
            name="expected_response",
            value="one",
            source=AssessmentSource("HUMAN", "ana"),
            trace_id=traces[3].trace_id,
        )
    )
    data = Dataset.from_traces(run_id, name="from traces", tracker=store)
    assert [(e.inputs, e.expected) for e in data] == [({"q": "x"}, "one"), ({"q": "y"}, None)]
    assert data.examples[0].source == {
        "kind": "trace", "trace_id": traces[3].trace_id, "run_id": run_id, "request_id": "req-3",
    }  # fmt: skip
    outputs = Dataset.from_traces(run_id, expected="outputs", tracker=store)
    assert [e.expected for e in outputs] == ["1", "2"]
    assert data.save(tracker=store).version == 1
    with pytest.raises(InvalidInput, match="expected is 'both'"):
        Dataset.from_traces(run_id, expected="both", tracker=store)
