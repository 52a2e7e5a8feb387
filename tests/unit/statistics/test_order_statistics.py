"""The interval of a quantile, against scipy's binomial distribution."""

import math

import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics.order_statistics import quantile_interval


@pytest.mark.parametrize("n", [10, 73, 200])
@pytest.mark.parametrize("probability", [0.5, 0.95])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_ends_are_the_order_statistics_that_the_binomial_distribution_names(n, probability, confidence):
    found = quantile_interval([*range(1, n + 1), None], probability, confidence=confidence)
    tail = (1 - confidence) / 2
    low = max(k for k in range(n + 1) if stats.binom.cdf(k - 1, n, probability) <= tail)
    high = [k for k in range(1, n + 1) if stats.binom.cdf(k - 1, n, probability) >= 1 - tail]
    assert (found.low, found.high) == (low or -math.inf, high[0] if high else math.inf)
    assert found.mean == math.ceil(probability * n)
    assert found.n == n


@pytest.mark.parametrize("wrong", [([], 0.5, 0.9), ([None], 0.5, 0.9), ([1.0], 1.0, 0.9), ([1.0], 0.5, 0.0)])
def test_what_has_no_quantile_is_refused(wrong):
    values, probability, confidence = wrong
    with pytest.raises(InvalidInput):
        quantile_interval(values, probability, confidence=confidence)
