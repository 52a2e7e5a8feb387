"""Wilcoxon's signed rank test against scipy, and its interval against the textbook's."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import wilcoxon

# Hollander & Wolfe 1973, p. 29: Hamilton's depression scale of nine patients, first and second visit.
FIRST = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def test_the_textbooks_example_has_its_figures():
    found = wilcoxon(FIRST, SECOND)
    assert (found.rank_sum, found.p_value) == (40, pytest.approx(0.0390625))
    assert found.median == pytest.approx(0.46)
    assert (found.low, found.high) == pytest.approx((0.010, 0.786))  # as R's wilcox.test prints them


@pytest.mark.parametrize("n", [1, 2, 7, 20, 50])
def test_few_different_sizes_get_the_exact_p_value(n):
    random = np.random.default_rng(n)
    a, b = random.normal(0.3, 1, n), random.normal(0, 1, n)
    assert wilcoxon(a, b).p_value == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue)
    assert wilcoxon(a, b).method.endswith("exact")


@pytest.mark.parametrize("n", [12, 51, 300])
def test_ties_zeros_and_many_pairs_get_the_corrected_approximation(n):
    random = np.random.default_rng(n)
    a, b = random.integers(0, 5, n) / 4, random.integers(0, 4, n) / 4
    expected = stats.wilcoxon(a, b, method="asymptotic", correction=True).pvalue
    found = wilcoxon(a, b)
    assert found.p_value == pytest.approx(expected)
    assert found.ties == (a == b).sum()
    smooth = random.normal(0.1, 1, (2, 60))
    assert wilcoxon(*smooth).p_value == pytest.approx(
        stats.wilcoxon(*smooth, method="asymptotic", correction=True).pvalue
    )


def test_median_and_ends_are_means_of_two_differences():
    differences = np.random.default_rng(3).normal(0.2, 1, 30)
    walsh = np.sort([(x + y) / 2 for i, x in enumerate(differences) for y in differences[i:]])
    found = wilcoxon(differences, np.zeros(30))
    assert found.median == pytest.approx(np.median(walsh))
    # 137 is the largest rank sum with a tail of at most 0.025 for n = 30 (Wilcoxon & Wilcox 1964, table 2).
    assert (found.low, found.high) == pytest.approx((walsh[137], walsh[-138]))


def test_interval_covers_the_centre():
    differences = np.random.default_rng(5).normal(0.2, 1, (200, 25))
    results = [wilcoxon(row, np.zeros(25)) for row in differences]
    assert 0.92 <= np.mean([each.low <= 0.2 <= each.high for each in results]) <= 0.98


def test_too_few_pairs_have_no_ends_and_ties_alone_no_evidence():
    few = wilcoxon([0.4, 0.6, 0.7], [0.1, 0.2, 0.2])
    assert (few.low, few.high) == (-math.inf, math.inf)
    tied = wilcoxon([0.4] * 30, [0.4] * 30)
    assert (tied.p_value, tied.median, tied.low, tied.high, tied.ties) == (1, 0, 0, 0, 30)


def test_missing_scores_are_counted_and_none_at_all_is_refused():
    found = wilcoxon([*FIRST, None], [*SECOND, 1.0])
    assert (found.n, found.excluded, found.p_value) == (9, 1, pytest.approx(0.0390625))
    assert "n=9, 0 ties, p=0.0391" in str(found)
    with pytest.raises(InvalidInput, match="both sides"):
        wilcoxon([None], [1.0])
    with pytest.raises(InvalidInput, match="2 and 1"):
        wilcoxon([1, 2], [1])
