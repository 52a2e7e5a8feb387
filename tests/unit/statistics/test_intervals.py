"""Intervals of one candidate, and the quantiles below them."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import mean_interval, normal_quantile, student_t_quantile, wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (7, 14), (39, 40), (40, 40), (1, 1)])
def test_wilson_agrees_with_scipy(successes, n):
    for confidence in (0.9, 0.95):
        theirs = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
        ours = wilson(successes, n, confidence=confidence)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_of_every_success_still_leaves_doubt():
    assert wilson(14, 14).low == pytest.approx(0.785, abs=0.001)
    assert wilson(14, 14).high == 1


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 13, 39, 400, 500, 501, 20_000])
def test_student_t_quantile_agrees_with_scipy(degrees):
    for probability in (0.005, 0.3, 0.5, 0.9, 0.975, 0.999):
        assert student_t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), abs=1e-8)


def test_normal_quantile_is_the_known_one():
    assert normal_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)


def test_binary_scores_get_wilsons_interval():
    ours, direct = mean_interval([1, 0, 1, 1, None]), wilson(3, 4)
    assert (ours.mean, ours.low, ours.high, ours.n) == (0.75, direct.low, direct.high, 4)


def test_missing_scores_are_not_zeros():
    assert mean_interval([0.6, None, 0.8, math.nan]).mean == pytest.approx(0.7)


def test_graded_interval_stays_within_the_bounds_and_holds_the_mean():
    result = mean_interval([1, 2 / 3, 1, 1, 1 / 3, 1])
    assert 0 <= result.low < result.mean < result.high <= 1


def test_equal_graded_scores_are_not_certain():
    for scores in ([2 / 3] * 12, [2 / 3, 2 / 3 + 1e-15] * 6):
        result = mean_interval(scores)
        assert result.high - result.low > 0.2


def test_costs_have_no_bounds():
    result = mean_interval([120, 130, 125, 118], bounds=None)
    assert result.low < 123.25 < result.high
    assert result.high - result.low < 60


@pytest.mark.parametrize(("scores", "words"), [([], "no score"), ([None], "no score"), ([2.0], "outside the bounds")])
def test_no_score_or_a_strange_one_is_refused(scores, words):
    with pytest.raises(InvalidInput, match=words):
        mean_interval(scores)


def test_words_are_no_scores():
    with pytest.raises(InvalidInput, match="number or None"):
        mean_interval([1, "right"])


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (-1, 4), (0, 0)])
def test_impossible_counts_are_refused(successes, n):
    with pytest.raises(InvalidInput, match="Wilson"):
        wilson(successes, n)


def test_a_confidence_of_95_is_refused_with_a_hint():
    with pytest.raises(InvalidInput, match=r"0\.95 is usual"):
        wilson(1, 2, confidence=95)


@pytest.mark.parametrize("n", [12, 14, 40])
@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda r, n: (r.random((n, 3)) < 0.9).mean(axis=1), 0.9),
        (lambda r, n: (r.random((n, 3)) < 0.98).mean(axis=1), 0.98),
        (lambda r, n: r.beta(40, 10, n), 0.8),
        (lambda r, n: r.beta(4, 0.5, n), 4 / 4.5),
        (lambda r, n: (r.random(n) < 0.95).astype(float), 0.95),
    ],
    ids=["three fields", "three fields near the top", "similarity", "skewed", "binary"],
)
def test_interval_of_the_mean_covers_the_truth(draw, truth, n):
    random = np.random.default_rng(n)
    results = [mean_interval(draw(random, n)) for _ in range(1000)]
    assert np.mean([r.low - 1e-9 <= truth <= r.high + 1e-9 for r in results]) >= 0.9
