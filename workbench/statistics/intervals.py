"""Intervals for one candidate: a proportion, and the mean of graded scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.quantiles import normal_quantile, student_t_quantile, two_sided

Scores = Sequence[float | None] | NDArray[np.float64]
"""Scores in the order of the examples; None and NaN stand for "no score", never for a wrong answer."""

ROUNDING = 1e-9
"""Scores that differ by less than this part of their range are equal: the rest is the arithmetic of floats."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    """The observed mean."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    n: int
    """Number of scores that count."""
    method: str
    """Name of the method."""

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}] (n={self.n})"


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion.

    Source: Wilson 1927, JASA 22:209; it keeps its coverage at small n, where the textbook (Wald) interval does not
    (Brown, Cai & DasGupta 2001, Statistical Science 16:101). Raises InvalidInput unless 0 <= successes <= n, n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise InvalidInput(f"Wilson's interval needs 0 <= successes <= n and n >= 1, not {successes} of {n}.")
    low, high = _wilson(successes / n, n, confidence)
    return Interval(successes / n, low, high, n, "Wilson")


def mean_interval(
    scores: Scores, *, confidence: float = 0.95, bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Interval:
    """Return the mean of independent scores with its interval; None and NaN are left out.

    `bounds` are the least and the greatest score there can be, or None for a measure without them (cost, latency).
    Scores that are all at one bound or the other get Wilson's interval. Graded scores get Student's t interval, with
    two scores added at the mean plus and minus the largest deviation seen, and clipped to the bounds: with few scores
    the spread that was seen is too small, and the added pair makes up for it (the idea of Agresti & Coull 1998, The
    American Statistician 52:119; its coverage for graded scores is shown in tests/unit/statistics). Bounded scores
    that are all equal get Wilson's interval at their share of the range. Raises InvalidInput if no score is left, or
    if one lies outside the bounds.
    """
    kept = clean(scores, bounds=bounds)
    n, mean = len(kept), float(kept.mean())
    if bounds is not None and (np.isin(kept, bounds).all() or np.ptp(kept) <= ROUNDING * (bounds[1] - bounds[0])):
        least, width = bounds[0], bounds[1] - bounds[0]
        ends = _wilson((mean - least) / width, n, confidence)
        return Interval(mean, least + width * ends[0], least + width * ends[1], n, "Wilson")
    if n == 1:
        return Interval(mean, -math.inf, math.inf, n, "none: one score")
    spread = float(np.abs(kept - mean).max())
    variance = (float(((kept - mean) ** 2).sum()) + 2 * spread**2) / (n + 2)
    half = student_t_quantile(two_sided(confidence), n - 1) * math.sqrt(variance / (n + 2))
    low, high = bounds or (-math.inf, math.inf)
    return Interval(mean, max(low, mean - half), min(high, mean + half), n, "adjusted t")


def clean(scores: Scores, *, bounds: tuple[float, float] | None) -> NDArray[np.float64]:
    """Return the scores that are there, as floats; raises InvalidInput if none is, or one lies outside the bounds."""
    values = as_floats(scores)
    kept = values[~np.isnan(values)]
    if len(kept) == 0:
        raise InvalidInput("There is no score to take the mean of.", hint="Did every cell fail? Look at `.cells`.")
    check_bounds(kept, bounds)
    return kept


def as_floats(scores: Scores) -> NDArray[np.float64]:
    """Return scores as a flat array in which NaN stands for "no score"."""
    return np.array([math.nan if score is None else float(score) for score in scores], dtype=np.float64)


def check_bounds(kept: NDArray[np.float64], bounds: tuple[float, float] | None) -> None:
    """Raise InvalidInput if a score is infinite or lies outside the bounds."""
    low, high = bounds or (-math.inf, math.inf)
    outside = kept[(kept < low) | (kept > high) | np.isinf(kept)]
    if len(outside):
        raise InvalidInput(
            f"A score of {outside[0]:g} lies outside the bounds {low:g} to {high:g}.",
            hint="Pass `bounds=` that hold for this measure, or `bounds=None` if it has none.",
        )


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    z = normal_quantile(two_sided(confidence))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return 0.0 if share == 0 else max(0.0, centre - half), 1.0 if share == 1 else min(1.0, centre + half)
