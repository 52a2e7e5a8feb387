"""Scores that are not independent: examples of one customer or document, votes of one rater."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput

Labels = Sequence[Hashable | None] | NDArray[Any]
"""A label a score; scores of one label are one cluster. None and NaN stand for a cluster of its own."""


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """The mean of clustered values, and how far it may be off."""

    mean: float
    """Mean of the values, each counted once."""
    error: float
    """Its standard error (CR2)."""
    degrees: int
    """Degrees of freedom for Student's t: clusters - 1, fewer where the clusters' sizes differ much."""
    clusters: int
    """Number of clusters."""


def cluster_codes(labels: Labels, n: int) -> NDArray[np.intp]:
    """Return the number of each score's cluster, counted from 0; raises InvalidInput unless there are `n` labels."""
    if len(labels) != n:
        raise InvalidInput(f"Each score needs one cluster label: there are {n} scores and {len(labels)} labels.")
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        found: NDArray[np.intp] = np.unique(labels, return_inverse=True)[1]
        return found
    known: dict[Hashable, int] = {}
    codes = np.empty(n, dtype=np.intp)
    for place, label in enumerate(labels):
        alone = label is None or (isinstance(label, float) and math.isnan(label))
        codes[place] = known.setdefault(("alone", place) if alone else ("of", label), len(known))
    return codes


def chosen(codes: NDArray[np.intp], kept: NDArray[np.bool_], unit: str) -> NDArray[np.intp]:
    """Return the codes of the scores that are kept, counted anew; raises InvalidInput if fewer than 2 clusters stay."""
    found: NDArray[np.intp] = np.unique(codes[kept], return_inverse=True)[1]
    if len(found) and found.max() == 0:
        raise InvalidInput(
            f"All {len(found)} scores belong to one {unit}: nothing tells how far another {unit} would differ.",
            hint="Add examples of others, or leave `clusters` out and read the interval as that of this one alone.",
        )
    return found


def clustered_mean(values: NDArray[np.float64], codes: NDArray[np.intp]) -> ClusteredMean:
    """Return the mean with the CR2 standard error and the degrees of freedom of Bell & McCaffrey.

    Source: Bell & McCaffrey 2002, Survey Methodology 28:169; Imbens & Kolesar 2016, Review of Economics and
    Statistics 98:701. For a mean the correction divides a cluster's sum of residuals by sqrt(1 - its share of the
    values); with clusters of one size that is the usual G / (G - 1), and the degrees are G - 1. Degrees are rounded
    down.
    """
    n, mean = len(values), float(values.mean())
    sizes = np.bincount(codes).astype(np.float64)
    weight = 1 / np.sqrt(1 - sizes / n) / n
    sums = np.bincount(codes, values - mean) * weight
    # The covariance of these sums for independent values: size / n^2 on the diagonal, rank one beside it.
    side = sizes * weight
    squared = float((sizes**2).sum()) / n**4 + (float((side**2).sum()) ** 2 - float((side**4).sum())) / n**2
    degrees = max(1, math.floor(float(sizes.sum()) ** 2 / n**4 / squared + 1e-9))
    return ClusteredMean(mean, math.sqrt(float((sums**2).sum())), degrees, len(sizes))


def scaled_sums(values: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return one value a cluster, whose plain mean is the mean of all values: the sum, times clusters / values."""
    sums = np.bincount(codes, values)
    return np.asarray(sums * (len(sums) / len(values)), dtype=np.float64)


def intraclass(values: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    """Return how alike values of one cluster are: the intraclass correlation, from 0 (as any two) to 1 (all equal).

    The estimate is that of the analysis of variance, for clusters of any sizes (Donner & Koval 1980, Biometrics 36:19);
    0 where it is negative, or where no cluster has two values.
    """
    n, sizes = len(values), np.bincount(codes)
    clusters = len(sizes)
    if clusters in (1, n):
        return 0.0
    means = np.bincount(codes, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (clusters - 1)
    within = float(((values - means[codes]) ** 2).sum()) / (n - clusters)
    size = (n - float((sizes**2).sum()) / n) / (clusters - 1)
    total = between + (size - 1) * within
    return min(1.0, max(0.0, (between - within) / total)) if total > 0 else 0.0
