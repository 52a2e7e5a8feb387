"""Intervals for one candidate: a proportion, and the mean of graded scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.clusters import Labels, chosen, cluster_codes, clustered_mean, scaled_sums
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
    unit: str = "example"
    """What is taken as independent: the cluster unit."""
    clusters: int | None = None
    """Number of those units, where it is not `n`."""
    confidence: float = 0.95
    """Confidence of the interval."""

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}] ({counted(self.n, self.unit, self.clusters)})"


def counted(n: int, unit: str, clusters: int | None) -> str:
    """Return how many scores there are, and of how many units, in words."""
    return f"n={n} {unit}s" if clusters is None else f"n={n} of {clusters} {unit}s"


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion.

    Source: Wilson 1927, JASA 22:209; it keeps its coverage at small n, where the textbook (Wald) interval does not
    (Brown, Cai & DasGupta 2001, Statistical Science 16:101). Raises InvalidInput unless 0 <= successes <= n, n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise InvalidInput(f"Wilson's interval needs 0 <= successes <= n and n >= 1, not {successes} of {n}.")
    low, high = _wilson(successes / n, n, normal_quantile(two_sided(confidence)))
    return Interval(successes / n, low, high, n, "Wilson", confidence=confidence)


def mean_interval(
    scores: Scores,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    clusters: Labels | None = None,
    unit: str | None = None,
) -> Interval:
    """Return the mean of scores with its interval; None and NaN are left out.

    `bounds` are the least and the greatest score there can be, or None for a measure without them (cost, latency).
    Scores that are all at one bound or the other get Wilson's interval. Graded scores get Student's t interval, with
    two scores added at the mean plus and minus the largest deviation seen, and clipped to the bounds: with few scores
    the spread that was seen is too small, and the added pair makes up for it (the idea of Agresti & Coull 1998, The
    American Statistician 52:119; its coverage for graded scores is shown in tests/unit/statistics). Bounded scores
    that are all equal get Wilson's interval at their share of the range.

    `clusters` holds a label a score (a customer, a document; `unit` says what) where scores of one label are not
    independent. The interval is then Student's t with the cluster-robust error of `clustered_mean`, or that of the
    adjusted t interval over clusters where it is wider; Wilson's takes the effective number of scores (Korn &
    Graubard 1998, Survey Methodology 24:193), at most n, and the number of clusters where all scores are equal.

    Raises InvalidInput if no score is left, one lies outside the bounds, or all belong to one cluster.
    """
    values = as_floats(scores)
    kept = clean(values, bounds=bounds)
    unit = unit or ("example" if clusters is None else "cluster")
    codes = None
    if clusters is not None:
        codes = chosen(cluster_codes(clusters, len(values)), ~np.isnan(values), unit)
        if codes.max() + 1 == len(kept):
            codes = None  # each score is a cluster of its own
    n, mean = len(kept), float(kept.mean())
    count = None if codes is None else int(codes.max()) + 1
    probability = two_sided(confidence)
    if bounds is not None and (np.isin(kept, bounds).all() or np.ptp(kept) <= ROUNDING * (bounds[1] - bounds[0])):
        least, width = bounds[0], bounds[1] - bounds[0]
        share = (mean - least) / width
        ends = _wilson(share, n, normal_quantile(probability))
        if codes is not None:
            ends = _clustered_wilson((kept - least) / width, codes, probability)
        low, high = least + width * ends[0], least + width * ends[1]
        return Interval(mean, low, high, n, "Wilson" if codes is None else "cluster Wilson", unit, count, confidence)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, n, "none: one score", unit, count, confidence)
    low, high = bounds or (-math.inf, math.inf)
    if codes is None:
        half = student_t_quantile(probability, n - 1) * _adjusted_error(kept)
        method = "adjusted t"
    else:
        robust = clustered_mean(kept, codes)
        error = max(robust.error, _adjusted_error(scaled_sums(kept - mean, codes)))
        half = student_t_quantile(probability, robust.degrees) * error
        method = "cluster-robust t"
    return Interval(mean, max(low, mean - half), min(high, mean + half), n, method, unit, count, confidence)


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
    if isinstance(scores, np.ndarray) and scores.ndim == 1 and scores.dtype.kind in "fiub":
        return scores.astype(np.float64)
    try:
        return np.array([math.nan if score is None else float(score) for score in scores], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A score is a number or None: {error}.", hint="Turn words into numbers first.") from error


def check_bounds(kept: NDArray[np.float64], bounds: tuple[float, float] | None) -> None:
    """Raise InvalidInput if a score is infinite or lies outside the bounds."""
    low, high = bounds or (-math.inf, math.inf)
    outside = kept[(kept < low) | (kept > high) | np.isinf(kept)]
    if len(outside):
        raise InvalidInput(
            f"A score of {outside[0]:g} lies outside the bounds {low:g} to {high:g}.",
            hint="Pass `bounds=` that hold for this measure, or `bounds=None` if it has none.",
        )


def _adjusted_error(values: NDArray[np.float64]) -> float:
    n, deviations = len(values), values - values.mean()
    spread = float(np.abs(deviations).max())
    return math.sqrt((float((deviations**2).sum()) + 2 * spread**2) / (n + 2) / (n + 2))


def _clustered_wilson(shares: NDArray[np.float64], codes: NDArray[np.intp], probability: float) -> tuple[float, float]:
    robust, n = clustered_mean(shares, codes), len(shares)
    simple = robust.mean * (1 - robust.mean) / n
    equal = float(np.ptp(shares)) <= ROUNDING
    effective = robust.clusters if equal else n / max(1.0, robust.error**2 / simple)
    return _wilson(robust.mean, effective, student_t_quantile(probability, robust.degrees))


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return 0.0 if share == 0 else max(0.0, centre - half), 1.0 if share == 1 else min(1.0, centre + half)
