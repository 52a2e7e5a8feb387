"""Which cells leave a trace: all of a small experiment, failures and the same sample for everybody of a large one."""

from datetime import UTC, datetime

import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Example, Output
from workbench.experiments import Answer, Candidate, Cell
from workbench.experiments.cells.cell import Job
from workbench.experiments.records.traced import MOST, traced

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CANDIDATES = [Candidate(name, call=str) for name in ("a", "b")]


def cells(count, *, fails=(), reverse=False):
    made = []
    for candidate in CANDIDATES:
        for number in range(count):
            job = Job.of(candidate, Example(f"e{number}", {"q": number}), 0)
            answer = None if number in fails else Answer(Output("x"), NOW, NOW, 1.0)
            made.append(Cell(job, answer=answer, error=None if answer else "gone"))
    return made[::-1] if reverse else made


def examples(found, cells_):
    names = {}
    for cell in cells_:
        if cell.trace_id in found:
            names.setdefault(cell.job.candidate.name, set()).add(cell.job.example.id)
    return names


def test_every_cell_of_a_small_experiment_leaves_a_trace():
    some = cells(MOST // 2)
    assert traced(some) == {cell.trace_id for cell in some}


def test_a_large_experiment_samples_the_same_examples_for_every_candidate():
    many = cells(2000)
    found = examples(traced(many), many)
    assert found["a"] == found["b"]
    assert len(found["a"]) == MOST // 2
    again = cells(2000, reverse=True)
    assert examples(traced(again), again) == found
    assert examples(traced(many, seed=1), many)["a"] != found["a"]


def test_failures_always_leave_a_trace():
    many = cells(2000, fails=range(100))
    found = examples(traced(many), many)
    assert {f"e{number}" for number in range(100)} <= found["a"]
    assert examples(traced(many, "failures"), many)["a"] == {f"e{number}" for number in range(100)}
    assert traced(many, "none") == set()
    assert len(traced(many, "all")) == 4000


def test_another_word_is_told():
    with pytest.raises(InvalidInput, match="sample, all, failures, none"):
        traced((), "some")
