"""Two arms of a rollout, compared while it runs."""

import math

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import compare_rates_anytime
from workbench.statistics.confidence_sequence import log_growth, plug_in_bets
from workbench.statistics.rollout import _blocks


def outcomes(random, rate, n):
    return (random.random(n) < rate).astype(float)


def ruled_out(ours, theirs, weight, difference=0.0):
    """Return after how many blocks a difference is ruled out from below and from above (infinity: never)."""
    scaled = (_blocks(ours, theirs, weight) + 1) / 2
    bets, _, _ = plug_in_bets(scaled, 0.05, 0, 0.0, 0.0)
    grown = log_growth(scaled, bets, (difference + 1) / 2)
    out = [np.cumsum(each) >= math.log(40) for each in grown]
    return tuple(int(each.argmax()) + 1 if each.any() else math.inf for each in out)


@pytest.mark.parametrize(("rate", "weight"), [(0.8, 0.1), (0.97, 0.1), (0.5, 0.5), (0.2, 0.3)])
def test_arms_that_are_alike_move_in_at_most_one_of_twenty_rollouts_though_every_outcome_is_looked_at(rate, weight):
    random = np.random.default_rng(3)
    theirs = outcomes(random, rate, (1000, math.ceil(400 * (1 - weight) / weight)))
    ours = outcomes(random, rate, (1000, 400))
    found = np.array([ruled_out(a, b, weight) for a, b in zip(ours, theirs, strict=True)])
    assert (found.min(axis=1) < math.inf).mean() <= 0.05


def test_the_decision_falls_when_the_formula_says():
    random = np.random.default_rng(4)
    ours, theirs = outcomes(random, 0.6, 300), outcomes(random, 0.85, 2700)
    _, worse = ruled_out(ours, theirs, 0.1)
    assert compare_rates_anytime(ours[: worse - 1], theirs).decision == "go on"
    found = compare_rates_anytime(ours[:worse], theirs)
    assert (found.decision, found.blocks) == ("roll back", worse)
    assert worse < 80


def test_a_worse_candidate_is_rolled_back_with_about_the_outcomes_of_a_test_that_looks_once():
    random = np.random.default_rng(5)
    stops = [ruled_out(outcomes(random, 0.7, 800), outcomes(random, 0.8, 7200), 0.1)[1] for _ in range(200)]
    once = (1.96 + 0.84) ** 2 * (0.21 + 0.16 / 9) / 0.1**2
    assert np.median(stops) < 1.2 * once
    assert np.mean(np.array(stops) < math.inf) > 0.98


def test_a_better_candidate_advances_and_one_within_the_margin_too():
    random = np.random.default_rng(6)
    theirs = outcomes(random, 0.7, 9000)
    assert compare_rates_anytime(outcomes(random, 0.85, 1000), theirs).decision == "advance"
    alike = outcomes(random, 0.7, 1000)
    assert compare_rates_anytime(alike, theirs).decision == "go on"
    assert compare_rates_anytime(alike, theirs, margin=0.1).decision == "advance"
    assert compare_rates_anytime(outcomes(random, 0.4, 1000), theirs, margin=0.1).decision == "roll back"


def test_less_is_better_turns_the_decision_round():
    random = np.random.default_rng(7)
    ours, theirs = outcomes(random, 0.3, 500), outcomes(random, 0.1, 4500)
    assert compare_rates_anytime(ours, theirs).decision == "advance"
    assert compare_rates_anytime(ours, theirs, less_is_better=True).decision == "roll back"


def test_the_interval_holds_the_difference_of_graded_arms_of_any_weight():
    random = np.random.default_rng(8)
    for weight in (0.1, 0.4, 0.5, 0.75):
        ours, theirs = 1 + 4 * random.beta(4, 2, 600), 1 + 4 * random.beta(3, 2, 5400)
        found = compare_rates_anytime(ours, theirs, weight=weight, bounds=(1, 5))
        truth = 4 * (4 / 6 - 3 / 5)
        assert found.low <= truth <= found.high
        assert found.high - found.low < 1.2
        assert found.difference == pytest.approx(ours.mean() - theirs.mean())


def test_blocks_use_what_the_weight_plans_and_wait_for_the_rest():
    ours, theirs = np.array([1.0, 0.0, 1.0]), np.arange(7) / 10
    assert _blocks(ours, theirs, 0.3) == pytest.approx([1 - 0.05, 0 - 0.25, 1 - 0.5])  # 2, 2 and 3 of 7 in 3 blocks
    assert _blocks(ours, theirs[:6], 0.3) == pytest.approx([1 - 0.05, 0 - 0.25])
    assert _blocks(theirs, ours, 0.7) == pytest.approx([0.05 - 1, 0.25 - 0, 0.5 - 1])
    assert len(_blocks(ours, theirs[:0], 0.5)) == 0
    # A block that is complete does not change when more comes in.
    assert (_blocks(ours, np.arange(40) / 40, 0.1)[:2] == _blocks(ours[:2], np.arange(40) / 40, 0.1)).all()


def test_without_outcomes_it_goes_on():
    found = compare_rates_anytime([], [1, 0, None])
    assert (found.decision, found.low, found.high, found.baseline_n) == ("go on", -1, 1, 2)
    assert math.isnan(found.difference)
    assert str(found).startswith("go on: nan (n=0) against 0.5 (n=2)")


def test_strange_rollouts_are_refused():
    for options, words in [({"weight": 1}, "weight"), ({"margin": -0.1}, "margin"), ({"weight": 10}, "weight")]:
        with pytest.raises(InvalidInput, match=words):
            compare_rates_anytime([1], [1], **options)
    with pytest.raises(InvalidInput, match="outside the bounds"):
        compare_rates_anytime([5], [1])
