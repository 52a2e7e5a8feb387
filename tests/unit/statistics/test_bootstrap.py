"""The bootstrap against scipy's."""

import numpy as np
import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import bca_interval, paired_bootstrap, paired_difference


@pytest.fixture
def skewed():
    return np.random.default_rng(2).beta(4, 1, 40)


def test_bca_without_expansion_is_scipys(skewed):
    ours = bca_interval(skewed, resamples=40_000, expand=False)
    theirs = stats.bootstrap((skewed,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(1))
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.002)


def test_expansion_widens_few_scores_and_hardly_many(skewed):
    def widening(scores):
        wide, plain = bca_interval(scores), bca_interval(scores, expand=False)
        return (wide.high - wide.low) / (plain.high - plain.low)

    assert widening(skewed[:10]) > 1.15
    assert widening(np.tile(skewed, 10)) < 1.02


def test_the_same_seed_gives_the_same_interval(skewed):
    assert bca_interval(skewed, seed=3) == bca_interval(skewed, seed=3)
    assert bca_interval(skewed, seed=3) != bca_interval(skewed, seed=4)


def test_clusters_are_drawn_whole(skewed):
    clusters = np.repeat(np.arange(8), 5)
    alike = np.repeat(skewed[:8], 5)
    drawn = bca_interval(alike, clusters=clusters, unit="document")
    plain = bca_interval(alike)
    assert (drawn.n, drawn.clusters, drawn.unit) == (40, 8, "document")
    assert drawn.high - drawn.low > 1.8 * (plain.high - plain.low)


def test_paired_bootstrap_agrees_with_the_interval_and_test_of_the_paired_difference():
    random = np.random.default_rng(4)
    first = random.beta(6, 3, 80)
    second = np.clip(first - random.normal(0.06, 0.12, 80), 0, 1)
    ours, other = paired_bootstrap([*first, None], [*second, 0.5]), paired_difference(first, second)
    assert (ours.mean, ours.n, ours.excluded) == (pytest.approx(other.mean), 80, 1)
    assert (ours.low, ours.high) == pytest.approx((other.low, other.high), abs=0.01)
    assert ours.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.01)
    assert ours.verdict == "better"


def test_a_p_value_is_never_zero():
    assert paired_bootstrap([1.0, 0.9] * 20, [0.0, 0.1] * 20).p_value == pytest.approx(1 / 10_001)


def test_equal_scores_show_resampling_no_spread():
    assert (bca_interval([0.4] * 9).low, bca_interval([0.4] * 9).high) == (0, 1)
    assert bca_interval([7.0] * 9, bounds=None).high == np.inf
    tied = paired_bootstrap([0.4] * 9, [0.4] * 9)
    assert (tied.low, tied.high, tied.verdict) == (-1, 1, "not distinguishable")
    assert tied.method == "none: all scores are equal"


def test_few_resamples_and_empty_scores_are_refused(skewed):
    with pytest.raises(InvalidInput, match="at least 2000 resamples"):
        bca_interval(skewed, resamples=100)
    with pytest.raises(InvalidInput, match="no score"):
        bca_interval([None, float("nan")])
    with pytest.raises(InvalidInput, match="one cluster"):
        paired_bootstrap(skewed, skewed[::-1], clusters=["a"] * 40)
