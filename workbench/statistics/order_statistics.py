"""A quantile with its interval: what the slowest answers take, how dear the dearest are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.errors import InvalidInput
from workbench.statistics.intervals import Interval, as_floats


def quantile_interval(values: Sequence[float | None], probability: float, *, confidence: float = 0.95) -> Interval:
    """Return a quantile of independent values with an interval that holds for any distribution.

    The ends are the order statistics between which the quantile lies by the binomial distribution (Conover 1999,
    Practical Nonparametric Statistics, section 3.2); where the values are too few for an end, it lies at infinity.
    `Interval.mean` is the quantile observed: the least value that a share `probability` of them does not pass. Raises
    InvalidInput without a value, or for a probability or confidence outside (0, 1).
    """
    kept = sorted(value for value in as_floats(values) if not math.isnan(value))
    n = len(kept)
    if n == 0:
        raise InvalidInput("There is no value to take a quantile of.", hint="Did every cell fail? Look at `.cells`.")
    if not (0 < probability < 1 and 0 < confidence < 1):
        raise InvalidInput(f"A quantile and a confidence lie between 0 and 1, not at {probability} and {confidence}.")
    tail = (1 - confidence) / 2
    low = high = 0  # how many values may lie below the quantile, with a chance of at most `tail` on each side
    below = 0.0
    for count in range(n + 1):
        below += math.exp(
            math.lgamma(n + 1)
            - math.lgamma(count + 1)
            - math.lgamma(n - count + 1)
            + count * math.log(probability)
            + (n - count) * math.log1p(-probability)
        )
        if below <= tail:
            low = count + 1
        if below < 1 - tail:
            high = count + 1
    first = float(kept[low - 1]) if low else -math.inf
    last = float(kept[high]) if high < n else math.inf
    middle = float(kept[max(0, math.ceil(probability * n - 1e-9) - 1)])
    return Interval(middle, first, last, n, "order statistics")
