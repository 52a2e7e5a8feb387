"""What is live beside what was: what is surely worse is found, and two that are alike are left in peace."""

import json
from typing import Any

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.prompts.watching import Watch, read_watch

DRAW = np.random.default_rng(7)
BEGINNING = DRAW.bit_generator.state


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """Each test draws the same, whichever ran before it."""
    DRAW.bit_generator.state = BEGINNING


def side(version: int, calls: int, *, errors: float = 0.05, slowness: float = 1.0, good: float = 0.7) -> dict[str, Any]:
    failed = DRAW.random(calls) < errors
    latency = DRAW.lognormal(6, 0.4, calls) * slowness
    return {
        "version": version,
        "published_at": "2026-01-01T00:00:00.000Z",
        "calls": calls,
        "failed": failed.tolist(),
        "latency_ms": [None if bad else float(ms) for bad, ms in zip(failed, latency, strict=True)],
        "cost_usd": [None if bad else 0.001 for bad in failed],
        "feedback": [float(DRAW.random() < good) for _ in range(calls)],
    }


def told(live: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    return {"name": "support.summary", "alias": "production", "live": live, "before": before}


def first(whole: dict[str, Any], calls: int) -> dict[str, Any]:
    """What was told of the first calls."""
    return {key: value[:calls] if isinstance(value, list) else value for key, value in whole.items()}


@pytest.mark.parametrize(
    ("worse", "figure"),
    [({"errors": 0.4}, "errors"), ({"slowness": 3.0}, "slow"), ({"good": 0.3}, "feedback")],
)
def test_what_is_surely_worse_is_named(worse: dict[str, float], figure: str) -> None:
    found = read_watch(told(side(2, 200, **worse), side(1, 300)))
    assert found.proposes_rollback
    assert {each.name for each in found.figures if each.verdict == "surely worse"} == {figure}
    assert found.reason.startswith(f"surely worse than v1: {figure} ")
    assert "ROLL BACK" in str(found)
    assert found.table().loc[figure, "verdict"] == "surely worse"


def test_what_is_better_is_kept() -> None:
    found = read_watch(told(side(2, 200, errors=0.0, slowness=0.5, good=0.95), side(1, 300)))
    assert not found.proposes_rollback
    assert found.reason == "not surely worse than v1 so far"


def test_two_that_are_alike_are_left_in_peace_however_often_one_looks() -> None:
    false_alarms = 0
    for _ in range(20):
        before, live = side(1, 120), side(2, 120)
        looks = (read_watch(told(first(live, n), before), tolerance=0.0) for n in (30, 60, 90, 120))
        false_alarms += any(look.proposes_rollback for look in looks)
    assert false_alarms <= 3  # at most 1 of 20 is to be expected


@pytest.mark.parametrize("before", [None, side(1, 10)])
def test_without_enough_before_nothing_is_concluded(before: dict[str, Any] | None) -> None:
    found: Watch = read_watch(told(side(2, 100, errors=0.9), before))
    assert not found.proposes_rollback
    assert {figure.verdict for figure in found.figures} <= {"too few before", "nothing yet"}


def test_with_one_call_on_each_side_it_is_json_all_the_same() -> None:
    one = {**side(2, 1), "failed": [False], "latency_ms": [90.0], "cost_usd": [0.1]}
    shown = json.loads(json.dumps(read_watch(told(one, one)).as_dict(), allow_nan=False))
    assert shown["latency_ms"][0]["mean"] == 90.0
    assert (shown["latency_ms"][0]["low"], shown["latency_ms"][0]["high"]) == (None, None)


def test_feedback_outside_its_bounds_is_left_out() -> None:
    live, before = side(2, 30), side(1, 30)
    live["feedback"] = [5.0] * 29 + [1.0]
    feedback = next(each for each in read_watch(told(live, before)).figures if each.name == "feedback")
    assert feedback.live is not None
    assert (feedback.live.n, feedback.live.mean) == (1, 1.0)
    with pytest.raises(InvalidInput):
        read_watch(told(live, before), tolerance=1.5)
