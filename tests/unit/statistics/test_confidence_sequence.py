"""An interval that holds at every look."""

import math

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import ConfidenceSequence
from workbench.statistics.confidence_sequence import log_growth, plug_in_bets


def decided(differences, mean=0.0):
    """Return after how many differences `mean` is ruled out (infinity: never), by the formula of the paper."""
    scaled = (np.asarray(differences) + 1) / 2
    bets, _, _ = plug_in_bets(scaled, 0.05, 0, 0.0, 0.0)
    grown = [np.cumsum(each) for each in log_growth(scaled, bets, (mean + 1) / 2)]
    out = np.maximum(*grown) >= math.log(2 / 0.05)
    return int(out.argmax()) + 1 if out.any() else math.inf


DRAWS = {
    "right or wrong": lambda random, size: random.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=size),
    "graded": lambda random, size: random.normal(0, 0.2, size).clip(-1, 1),
    "rare large losses": lambda random, size: random.choice([0.1, -0.9], p=[0.9, 0.1], size=size),
    "thirds": lambda random, size: random.integers(-3, 4, size) / 3,
}


@pytest.mark.parametrize("draw", DRAWS)
def test_alike_candidates_are_told_apart_in_at_most_one_of_twenty_though_every_row_is_looked_at(draw):
    differences = DRAWS[draw](np.random.default_rng(6), (1000, 500))
    assert np.mean([decided(row) < math.inf for row in differences]) <= 0.05


def test_bets_are_those_of_the_paper_written_out():
    values = np.random.default_rng(1).random(30)
    bets, _, _ = plug_in_bets(values, 0.05, 0, 0.0, 0.0)
    squares = 0.0
    for t in range(1, 31):
        variance = (0.25 + squares) / t
        assert bets[t - 1] == pytest.approx(math.sqrt(2 * math.log(40) / (variance * t * math.log(t + 1))))
        squares += (values[t - 1] - (0.5 + values[:t].sum()) / (t + 1)) ** 2


def test_the_class_rules_out_zero_when_the_formula_does():
    differences = np.random.default_rng(2).normal(0.08, 0.2, 400).clip(-1, 1)
    sequence = ConfidenceSequence()
    verdicts = [sequence.observe([each]).verdict for each in differences]
    assert verdicts.index("above") + 1 == decided(differences)
    assert set(verdicts[verdicts.index("above") :]) == {"above"}
    assert sequence.p_value < 0.05


def test_one_by_one_or_all_at_once_is_the_same():
    differences = np.random.default_rng(3).normal(0.02, 0.3, 700).clip(-1, 1)
    whole, pieces = ConfidenceSequence().observe(differences), ConfidenceSequence()
    for part in np.array_split(differences, [1, 2, 30, 555]):
        pieces.observe(part)
    assert (pieces.interval.low, pieces.interval.high) == (whole.interval.low, whole.interval.high)
    assert (pieces.e_value, pieces.mean, pieces.n) == (pytest.approx(whole.e_value), pytest.approx(whole.mean), 700)


def test_the_interval_holds_the_mean_and_only_narrows():
    random, held = np.random.default_rng(4), []
    for _ in range(30):
        sequence, width = ConfidenceSequence((0, 1), null=0.5), 1.0
        inside = True
        for part in np.array_split(random.beta(4, 1, 300), 10):
            interval = sequence.observe(part).interval
            assert interval.high - interval.low <= width
            width, inside = interval.high - interval.low, inside and interval.low <= 0.8 <= interval.high
        held.append(inside)
        assert width < 0.15
    assert np.mean(held) >= 0.95


def test_it_is_not_much_wider_than_an_interval_that_looks_once():
    differences = np.random.default_rng(5).normal(0.0, 0.3, 500).clip(-1, 1)
    interval = ConfidenceSequence().observe(differences).interval
    assert (interval.high - interval.low) / (2 * 1.96 * differences.std() / math.sqrt(500)) < 1.8


def test_a_mean_that_drifts_away_leaves_the_present_interval():
    sequence = ConfidenceSequence().observe([0.8] * 60).observe([-0.8] * 400)
    interval = sequence.interval
    assert interval.low < interval.high


def test_missing_values_are_counted_and_a_new_sequence_knows_nothing():
    sequence = ConfidenceSequence()
    assert (sequence.interval.low, sequence.interval.high, sequence.verdict) == (-1, 1, "undecided")
    assert (sequence.e_value, sequence.p_value) == (0.5, 1)
    sequence.observe([0.2, None, math.nan, 0.1])
    assert (sequence.n, sequence.excluded, sequence.mean) == (2, 2, pytest.approx(0.15))
    assert str(sequence).startswith("undecided, go on: 0.15 [-1, 1] (n=2 examples)")


def test_other_bounds_are_held_to():
    sequence = ConfidenceSequence((0, 5), null=2.5).observe([4.0, 5.0, 4.5] * 20)
    assert sequence.verdict == "above"
    assert 2.5 < sequence.interval.low < 4.5 < sequence.interval.high <= 5
    with pytest.raises(InvalidInput, match="outside the bounds 0 to 5"):
        sequence.observe([5.1])
    for bounds in ((1, 1), (0, math.inf)):
        with pytest.raises(InvalidInput, match="finite bounds"):
            ConfidenceSequence(bounds)
