"""Paired differences: known values, coverage at small n, and who may be called better."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import difference, paired_difference, sign_flip_p_value


def test_mean_is_that_of_a_minus_b():
    assert paired_difference([1, 1, 0, 1], [0, 1, 0, 0]).mean == pytest.approx(0.5)


def test_binary_pairs_match_the_formula_of_bonett_and_price():
    # 7 pairs won, 1 lost, 12 tied: (8 - 2) / 22 -+ 1.96 sqrt((8 + 2)/22 - (6/22)^2) / sqrt(22)
    result = paired_difference([1] * 7 + [0] + [1] * 12, [0] * 7 + [1] + [1] * 12)
    half = 1.959964 * math.sqrt((10 / 22 - (6 / 22) ** 2) / 22)
    assert (result.low, result.high) == pytest.approx((6 / 22 - half, 6 / 22 + half), abs=1e-6)
    assert result.method == "Bonett-Price, McNemar mid-p"


@pytest.mark.parametrize(("won", "lost"), [(5, 0), (6, 1), (9, 4), (3, 3), (20, 8)])
def test_binary_p_value_is_mcnemars_mid_p(won, lost):
    fewer, trials = min(won, lost), won + lost
    expected = 2 * stats.binom.cdf(fewer, trials, 0.5) - stats.binom.pmf(fewer, trials, 0.5)
    if won == lost:
        expected = 1 - 0.5 * stats.binom.pmf(fewer, trials, 0.5)
    result = paired_difference([1] * won + [0] * lost, [0] * won + [1] * lost)
    assert result.p_value == pytest.approx(expected)


def test_graded_p_value_agrees_with_scipys_permutation_test():
    a = [0.9, 0.7, 0.8, 1.0, 0.3, 0.55, 0.62]
    b = [0.5, 0.71, 0.4, 0.35, 0.2, 0.6, 0.12]
    exact = stats.permutation_test((a, b), lambda x, y: np.mean(x - y), permutation_type="samples", vectorized=False)
    ours = paired_difference(a, b).p_value
    # No two arrangements tie here but an arrangement and its mirror image: mid-p counts one of those two.
    assert ours == pytest.approx(exact.pvalue - 1 / 2**7)


def test_sampled_p_value_agrees_with_the_enumerated_one_and_repeats_itself():
    random = np.random.default_rng(5)
    differences = random.normal(0.15, 0.3, 16)
    enumerated = sign_flip_p_value(differences)
    padded = np.concatenate([differences, [1e-6]])  # 17 differences are sampled
    assert sign_flip_p_value(padded) == pytest.approx(enumerated, abs=0.01)
    assert sign_flip_p_value(padded, seed=3) == sign_flip_p_value(padded, seed=3)


def test_a_missing_score_takes_its_pair_out_and_is_counted():
    result = paired_difference([1, None, 0, 1], [0, 1, math.nan, 1])
    assert (result.n, result.excluded, result.mean) == (2, 2, 0.5)


def test_candidates_that_tie_everywhere_are_not_known_to_be_equal():
    for score in (0.4, 1.0):
        result = paired_difference([score] * 14, [score] * 14)
        assert result.low < -0.1 < 0.1 < result.high
        assert result.verdict == "not distinguishable"


def test_differences_that_are_rounding_are_ties():
    almost = [1 / 3 + 1e-16, 0.1 + 0.2] * 7
    result = paired_difference(almost, [1 / 3, 0.3] * 7)
    assert (result.low, result.high) == (paired_difference([0.5] * 14, [0.5] * 14).low, -result.low)
    assert paired_difference([1e6 + 1e-8] * 9, [1e6] * 9, bounds=None).p_value == 1


def test_measures_without_bounds_are_not_clipped():
    result = paired_difference([900, 1100, 1000, 950] * 2, [100, 150, 120, 90] * 2, bounds=None)
    assert result.low > 100
    assert result.mean == pytest.approx(872.5)


def test_one_graded_pair_says_nothing():
    result = paired_difference([0.9], [0.2])
    assert (result.low, result.high, result.verdict) == (-1, 1, "not distinguishable")


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [([1, 0], [1], "2 and 1"), ([None], [1], "both sides"), ([1.5], [0], "outside the bounds")],
)
def test_scores_that_are_no_pairs_are_refused(a, b, words):
    with pytest.raises(InvalidInput, match=words):
        paired_difference(a, b)


def test_verdict_turns_round_with_the_sides():
    a, b = [1] * 8 + [0] * 6, [0] * 14
    assert paired_difference(a, b).verdict == "better"
    assert paired_difference(b, a).verdict == "worse"


def outcomes(n, won, lost):
    """Yield (won pairs, lost pairs, probability) for every outcome of n pairs."""
    for k, m in itertools.product(range(n + 1), repeat=2):
        if k + m <= n:
            ways = math.comb(n, k) * math.comb(n - k, m)
            yield k, m, ways * won**k * lost**m * (1 - won - lost) ** (n - k - m)


def binary(n, k, m):
    return paired_difference([1] * k + [0] * (n - k), [0] * k + [1] * m + [0] * (n - k - m))


@pytest.mark.parametrize("n", [12, 14, 20])
def test_binary_interval_covers_the_truth_counted_over_every_outcome(n):
    results = {(k, m): binary(n, k, m) for k, m, _ in outcomes(n, 0.1, 0.1)}
    for won, lost in [(0.02, 0.02), (0.1, 0.02), (0.2, 0.2), (0.4, 0.1), (0.6, 0.02), (0.45, 0.45), (0.9, 0.05)]:
        covered = sum(p for k, m, p in outcomes(n, won, lost) if results[k, m].low <= won - lost <= results[k, m].high)
        assert covered >= 0.93, (won, lost)
        assert sum(p for _, _, p in outcomes(n, won, lost)) == pytest.approx(1)


@pytest.mark.parametrize("n", [12, 14, 20])
def test_equal_binary_candidates_are_told_apart_in_at_most_one_case_of_twenty(n):
    verdicts = {(k, m): binary(n, k, m).verdict for k, m, _ in outcomes(n, 0.1, 0.1)}
    for discordant in (0.02, 0.05, 0.1, 0.2, 0.3, 0.45):
        told = outcomes(n, discordant, discordant)
        assert sum(p for k, m, p in told if verdicts[k, m] != "not distinguishable") <= 0.05


def thirds(random, shape, first, second):
    a = (random.random((*shape, 3)) < first).mean(axis=-1)
    return a - (random.random((*shape, 3)) < second).mean(axis=-1)


SHAPES = {
    "three fields, alike": (lambda r, s: thirds(r, s, 0.5, 0.5), 0.0),
    "three fields, near the top": (lambda r, s: thirds(r, s, 0.98, 0.95), 0.03),
    "three fields, far apart": (lambda r, s: thirds(r, s, 0.7, 0.3), 0.4),
    "a third gained now and then": (lambda r, s: r.choice([0, 1 / 3], p=[0.9, 0.1], size=s), 0.1 / 3),
    "thirds gained, wholes lost": (lambda r, s: r.choice([1 / 3, 0, -1], p=[0.3, 0.6, 0.1], size=s), 0.0),
    "similarity": (lambda r, s: r.normal(0.02, 0.05, size=s), 0.02),
    "skewed": (lambda r, s: r.beta(0.5, 4, size=s), 0.5 / 4.5),
}


@pytest.mark.parametrize("n", [12, 14, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_graded_interval_covers_the_truth(shape, n):
    draw, truth = SHAPES[shape]
    differences = draw(np.random.default_rng(n), (2000, n))
    ends = np.array([difference._interval(d, widest=1.0, binary=False, probability=0.975) for d in differences])
    covered = ((ends[:, 0] - 1e-9 <= truth) & (truth <= ends[:, 1] + 1e-9)).mean()
    assert covered >= 0.91


def test_plain_t_interval_would_fail_that_bar():
    """Guard the bar of the test before: it is not so low that anything passes."""
    draw, truth = SHAPES["a third gained now and then"]
    d = draw(np.random.default_rng(14), (2000, 14))
    half = stats.t.ppf(0.975, 13) * d.std(axis=1, ddof=1) / math.sqrt(14)
    assert (np.abs(d.mean(axis=1) - truth) <= half + 1e-9).mean() < 0.85


def test_adjustment_costs_little_where_t_would_do():
    d = np.random.default_rng(1).normal(0.1, 0.2, (500, 40)).clip(-1, 1)
    ours = np.array([difference._interval(x, widest=1.0, binary=False, probability=0.975) for x in d])
    plain = 2 * stats.t.ppf(0.975, 39) * d.std(axis=1, ddof=1) / math.sqrt(40)
    assert (ours[:, 1] - ours[:, 0]).mean() < 1.15 * plain.mean()


def test_graded_candidates_that_are_alike_are_rarely_told_apart():
    random = np.random.default_rng(11)
    told = 0
    for _ in range(400):
        a, b = (random.random((2, 14, 3)) < 0.6).mean(axis=-1)
        told += paired_difference(a, b).verdict != "not distinguishable"
    assert told / 400 <= 0.07


def test_a_real_gain_in_thirds_is_found():
    random = np.random.default_rng(12)
    found = 0
    for _ in range(200):
        a, b = (random.random((14, 3)) < 0.8).mean(axis=-1), (random.random((14, 3)) < 0.4).mean(axis=-1)
        found += paired_difference(a, b).verdict == "better"
    assert found / 200 >= 0.85
