"""The bootstrap: intervals of a mean from resamples of the examples, corrected for bias and skewness (BCa)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.clusters import Labels, chosen, cluster_codes
from workbench.statistics.difference import Difference
from workbench.statistics.intervals import ROUNDING, Interval, Scores, as_floats, clean
from workbench.statistics.pairs import complete_pairs
from workbench.statistics.quantiles import normal_quantile, student_t_quantile, two_sided

LEAST_RESAMPLES = 2_000
_AT_ONCE = 500_000
"""Clusters drawn at once, which bounds memory."""


def bca_interval(
    scores: Scores,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    clusters: Labels | None = None,
    unit: str | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    expand: bool = True,
) -> Interval:
    """Return the mean of scores with its BCa bootstrap interval; None and NaN are left out.

    Source: Efron 1987, JASA 82:171. Whole clusters are drawn where `clusters` holds a label a score. `expand` widens
    the percentiles by Student's t, since a resample of n scores varies (n - 1) / n as much as the scores did
    (Hesterberg 2015, The American Statistician 69:371, section 4.4); without it the interval is Efron's and too
    narrow below 50 scores. Scores that are all equal show resampling no spread: the ends are infinite, or the bounds.

    Raises InvalidInput if no score is left, one lies outside the bounds, all belong to one cluster, or `resamples`
    is below 2000.
    """
    values = as_floats(scores)
    kept, unit = clean(values, bounds=bounds), unit or ("example" if clusters is None else "cluster")
    codes = _codes(clusters, ~np.isnan(values), unit)
    count = int(codes.max()) + 1 if clusters is not None and codes.max() + 1 < len(kept) else None
    drawn = resampled_means(kept, codes, resamples=resamples, seed=seed)
    low, high, method = _ends(kept, codes, drawn, two_sided(confidence), bounds, expand=expand)
    return Interval(float(kept.mean()), low, high, len(kept), method, unit, count, confidence)


def paired_bootstrap(
    a: Scores,
    b: Scores,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    clusters: Labels | None = None,
    unit: str | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    expand: bool = True,
) -> Difference:
    """Compare two candidates by resampling the examples that both answered; the interval is that of `bca_interval`.

    The p value is the share of resamples whose mean, moved to 0, lies as far off as the one observed (Efron &
    Tibshirani 1993, An Introduction to the Bootstrap, section 16.4); it is never 0. Raises InvalidInput as
    `paired_difference` and `bca_interval` do.
    """
    pairs = complete_pairs(a, b, bounds=bounds)
    differences, unit = pairs.differences, unit or ("example" if clusters is None else "cluster")
    mean, widest = float(differences.mean()), None if bounds is None else (-pairs.widest, pairs.widest)
    codes = _codes(clusters, pairs.complete, unit)
    drawn = resampled_means(differences, codes, resamples=resamples, seed=seed)
    low, high, method = _ends(differences, codes, drawn, two_sided(confidence), widest, expand=expand)
    beyond = int((np.abs(drawn - mean) >= abs(mean) - 1e-12).sum())
    return Difference(
        mean=mean,
        low=low,
        high=high,
        n=len(differences),
        p_value=(beyond + 1) / (resamples + 1),
        method=method,
        confidence=confidence,
        excluded=int((~pairs.complete).sum()),
        unit=unit,
        clusters=int(codes.max()) + 1 if clusters is not None and codes.max() + 1 < len(differences) else None,
    )


def resampled_means(
    values: NDArray[np.float64], codes: NDArray[np.intp], *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the mean of each resample of whole clusters, shape (resamples,)."""
    if resamples < LEAST_RESAMPLES:
        raise InvalidInput(f"A bootstrap needs at least {LEAST_RESAMPLES} resamples, not {resamples}.")
    sums, sizes = np.bincount(codes, values), np.bincount(codes).astype(np.float64)
    clusters, random = len(sums), np.random.default_rng(seed)
    counts = resampled_counts(clusters, resamples=resamples, random=random)
    return np.concatenate([(each @ sums) / (each @ sizes) for each in counts])


def resampled_counts(clusters: int, *, resamples: int, random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield how often each cluster is drawn, in portions of shape (some resamples, clusters)."""
    step = max(1, _AT_ONCE // clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, clusters, size=(rows, clusters), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * np.int32(clusters)
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)


def bca_ends(
    drawn: NDArray[np.float64],
    observed: float,
    left_out: NDArray[np.float64],
    probability: float,
    *,
    expand: bool = True,
) -> tuple[float, float]:
    """Return the ends of a BCa interval from the statistic of each resample, and of the data less one unit each."""
    share = (float((drawn < observed).sum()) + 0.5 * float((drawn == observed).sum())) / len(drawn)
    least = 0.5 / len(drawn)
    normal, bias = NormalDist(), normal_quantile(min(max(share, least), 1 - least))
    pull = left_out.mean() - left_out
    spread = float((pull**2).sum())
    skewness = float((pull**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    n = len(left_out)
    z = math.sqrt(n / (n - 1)) * student_t_quantile(probability, n - 1) if expand else normal_quantile(probability)
    at = []
    for side in (-z, z):
        moved = bias + side
        at.append(normal.cdf(bias + moved / max(1e-9, 1 - skewness * moved)))
    low, high = np.quantile(drawn, at)
    return float(low), float(high)


def _codes(clusters: Labels | None, kept: NDArray[np.bool_], unit: str) -> NDArray[np.intp]:
    if clusters is None:
        return np.arange(int(kept.sum()), dtype=np.intp)
    return chosen(cluster_codes(clusters, len(kept)), kept, unit)


def _ends(
    values: NDArray[np.float64],
    codes: NDArray[np.intp],
    drawn: NDArray[np.float64],
    probability: float,
    bounds: tuple[float, float] | None,
    *,
    expand: bool,
) -> tuple[float, float, str]:
    """Return the ends of the mean's interval within the bounds, and the name of the method."""
    least, most = bounds or (-math.inf, math.inf)
    if np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())):
        return least, most, "none: all scores are equal"
    sums, sizes = np.bincount(codes, values), np.bincount(codes)
    left_out = (sums.sum() - sums) / (len(values) - sizes)
    low, high = bca_ends(drawn, float(values.mean()), left_out, probability, expand=expand)
    method = "BCa bootstrap" if len(sums) == len(values) else "cluster BCa bootstrap"
    return max(low, least), min(high, most), method
