import math

import pandas as pd
import pytest

from workbench.errors import InvalidInput
from workbench.prompts import Gate


def cells(scores, *, metric="score.exact", repeats=1):
    rows = [
        {"example_id": f"e{i}", "repeat": r, metric: score} for i, score in enumerate(scores) for r in range(repeats)
    ]
    return pd.DataFrame(rows)


BETTER, WORSE = cells([1.0] * 13 + [0.0] * 3), cells([0.0] * 12 + [1.0] * 2 + [0.0] * 2)


def test_a_clear_difference_passes_and_tells_its_figures():
    decision = Gate("exact").decide(BETTER, WORSE)
    assert decision.passed
    assert decision.reason.startswith("better: difference +0.69 [")
    assert decision.reason.endswith("n = 16")
    assert decision.figures["n"] == 16
    assert decision.figures["low"] > 0


def test_a_difference_that_may_be_chance_is_refused_with_its_figures():
    decision = Gate("exact").decide(cells([1.0] * 8 + [0.0] * 6), cells([0.0, 1.0] * 7))
    assert not decision.passed
    assert decision.reason.startswith("not distinguishable: difference +0.07 [-0.")
    assert decision.reason.endswith("n = 14")


def test_the_worse_one_is_refused_as_worse():
    assert Gate("exact").decide(WORSE, BETTER).reason.startswith("worse: difference -0.69")


def test_examples_are_paired_by_id_not_by_place():
    shuffled = WORSE.sample(frac=1, random_state=3)
    assert Gate("exact").decide(BETTER, shuffled).figures == Gate("exact").decide(BETTER, WORSE).figures


def test_repeats_count_as_one_example():
    decision = Gate("exact").decide(
        cells([1.0] * 13 + [0.0] * 3, repeats=4), cells([0.0] * 12 + [1.0] * 2 + [0.0] * 2, repeats=4)
    )
    assert decision.figures["n"] == 16
    assert decision.figures["low"] == Gate("exact").decide(BETTER, WORSE).figures["low"]


def test_too_few_examples_are_refused_however_clear():
    decision = Gate("exact").decide(cells([1.0] * 6), cells([0.0] * 6))
    assert not decision.passed
    assert decision.reason == "too few examples: n = 6, the gate asks for 10"


def test_leaving_out_what_failed_does_not_make_a_prompt_good():
    lucky = cells([1.0] * 11 + [None] * 5)
    decision = Gate("exact").decide(lucky, cells([0.0] * 16))
    assert not decision.passed
    assert decision.reason == "5 of 16 examples have no score, the gate allows 10%"


def test_an_example_that_one_side_never_ran_counts_as_missing():
    decision = Gate("exact").decide(cells([1.0] * 11), cells([0.0] * 16))
    assert decision.reason.startswith("5 of 16 examples")


def test_one_missing_score_is_left_out_and_told():
    decision = Gate("exact").decide(cells([1.0] * 13 + [math.nan] + [0.0] * 2), WORSE)
    assert decision.passed
    assert (decision.figures["n"], decision.figures["missing"]) == (15, 1)


def test_not_worse_holds_only_within_its_margin():
    same, other = cells([1.0] * 40), cells([1.0] * 40)
    wide = Gate("exact", rule="not_worse", margin=0.2).decide(same, other)
    narrow = Gate("exact", rule="not_worse", margin=0.001).decide(same, other)
    assert wide.passed
    assert wide.reason.startswith("not worse by more than 0.2: difference +0.00")
    assert not narrow.passed
    assert narrow.reason.startswith("may be worse by more than 0.001")


def test_a_threshold_must_be_reached_surely():
    gate = Gate("exact", rule="at_least", threshold=0.7)
    assert gate.decide(cells([1.0] * 20)).passed
    point = gate.decide(cells([1.0] * 15 + [0.0] * 5))
    assert not point.passed
    assert "mean 0.75 [" in point.reason


def test_less_latency_is_better():
    slow = cells([900.0 + i for i in range(12)], metric="latency_ms")
    fast = cells([300.0 + 2 * i for i in range(12)], metric="latency_ms")
    assert Gate("latency_ms").decide(fast, slow).passed
    assert not Gate("latency_ms").decide(slow, fast).passed
    assert Gate("latency_ms", rule="at_least", threshold=500).decide(fast).passed


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"rule": "best"}, "No rule 'best'"),
        ({"rule": "not_worse"}, "needs a margin"),
        ({"margin": 0.1}, "needs a margin"),
        ({"rule": "at_least"}, "needs a threshold"),
        ({"confidence": 95}, "between 0 and 1"),
    ],
)
def test_a_rule_that_does_not_hold_together_is_refused(options, what):
    with pytest.raises(InvalidInput, match=what):
        Gate("exact", **options)


def test_an_unknown_metric_is_refused_with_the_ones_there_are():
    with pytest.raises(InvalidInput, match=r"no metric 'exakt'. It has: exact"):
        Gate("exakt").decide(BETTER, WORSE)


def test_a_comparison_needs_a_baseline():
    with pytest.raises(InvalidInput, match="baseline"):
        Gate("exact").decide(BETTER)
