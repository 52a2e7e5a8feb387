"""Wilcoxon's signed rank test: whether paired differences lean to one side, whatever their shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from workbench.statistics.intervals import Scores
from workbench.statistics.pairs import complete_pairs
from workbench.statistics.quantiles import normal_quantile, two_sided

_EXACT_UP_TO = 50


@dataclass(frozen=True, slots=True)
class SignedRank:
    """What the signed rank test says of paired differences `a - b`."""

    p_value: float
    """Two-sided p value."""
    rank_sum: float
    """Sum of the ranks of the positive differences."""
    median: float
    """Hodges & Lehmann's estimate: the median of the means of all pairs of differences."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""
    n: int
    """Pairs in which both scores are there."""
    ties: int
    """Pairs without a difference, which the test leaves out."""
    method: str
    """Name of the method."""
    confidence: float = 0.95
    """Confidence of the interval."""
    excluded: int = 0
    """Pairs left out because a score is missing."""
    unit: str = "example"
    """What is taken as independent."""

    def __str__(self) -> str:
        ends = f"[{self.low:+.3g}, {self.high:+.3g}]"
        return f"median {self.median:+.3g} {ends} (n={self.n}, {self.ties} ties, p={self.p_value:.3g})"


def wilcoxon(a: Scores, b: Scores, *, confidence: float = 0.95) -> SignedRank:
    """Compare two candidates by the ranks of their paired differences.

    Up to 50 differences without zeros or equal sizes get the exact distribution; others the normal approximation with
    the corrections for ties and for continuity. Zeros are left out (Wilcoxon 1945, Biometrics Bulletin 1:80). The
    interval is that of the pseudomedian by inverting the test (Hollander, Wolfe & Chicken 2014, section 3.3), over
    all pairs, zeros too. Raises InvalidInput if the lengths differ or no pair is complete.
    """
    pairs = complete_pairs(a, b, bounds=None)
    differences = np.sort(pairs.differences)
    moved = differences[differences != 0]
    n, zeros = len(moved), len(differences) - len(moved)
    ranks, tied = _ranks(np.abs(moved))
    rank_sum = float(ranks[moved > 0].sum())
    exact = zeros == 0 and tied == 0 and n <= _EXACT_UP_TO
    low, high = _ends(differences, two_sided(confidence), exact=exact)
    return SignedRank(
        p_value=(_exact_p(rank_sum, n) if exact else _normal_p(rank_sum, n, tied)) if n else 1.0,
        rank_sum=rank_sum,
        median=_walsh_median(differences),
        low=low,
        high=high,
        n=len(differences),
        ties=zeros,
        method="Wilcoxon signed rank, exact" if exact else "Wilcoxon signed rank, normal with ties and continuity",
        confidence=confidence,
        excluded=int((~pairs.complete).sum()),
    )


def _ranks(sizes: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return mid-ranks, and the sum of t^3 - t over groups of t equal sizes."""
    _, place, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    return np.asarray(middle[place], dtype=np.float64), float((counts**3 - counts).sum())


def _distribution(n: int) -> NDArray[np.float64]:
    """Return the chance of each rank sum 0 .. n (n + 1) / 2 when signs fall by chance."""
    chances = np.zeros(n * (n + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, n + 1):
        moved = np.zeros_like(chances)
        moved[rank:] = chances[:-rank]
        chances = (chances + moved) / 2
    return chances


def _exact_p(rank_sum: float, n: int) -> float:
    chances, least = _distribution(n), round(min(rank_sum, n * (n + 1) / 2 - rank_sum))
    return min(1.0, 2 * float(chances[: least + 1].sum()))


def _normal_p(rank_sum: float, n: int, tied: float) -> float:
    variance = (n * (n + 1) * (2 * n + 1) - tied / 2) / 24
    off = max(0.0, abs(rank_sum - n * (n + 1) / 4) - 0.5)
    return min(1.0, 2 * NormalDist().cdf(-off / math.sqrt(variance)))


def _ends(differences: NDArray[np.float64], probability: float, *, exact: bool) -> tuple[float, float]:
    n = len(differences)
    walsh = n * (n + 1) // 2
    if exact:
        below = np.cumsum(_distribution(n))
        out = int(np.searchsorted(below, 1 - probability, side="right"))  # as many sums lie in a tail at most
    else:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        out = math.floor(walsh / 2 - 0.5 - normal_quantile(probability) * spread)
    if out < 1:
        return -math.inf, math.inf
    return _walsh_value(differences, out), _walsh_value(differences, walsh + 1 - out)


def _walsh_median(differences: NDArray[np.float64]) -> float:
    count = len(differences) * (len(differences) + 1) // 2
    lower = _walsh_value(differences, (count + 1) // 2)
    return lower if count % 2 else (lower + _walsh_value(differences, count // 2 + 1)) / 2


def _walsh_value(ordered: NDArray[np.float64], place: int) -> float:
    """Return the `place`-th smallest mean of two sorted differences (one with itself too), from 1, by bisection."""
    low, high = float(ordered[0]), float(ordered[-1])
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        # Ordered pairs count each mean of two twice and each with itself once.
        ordered_pairs = int(np.searchsorted(ordered, 2 * middle - ordered, side="right").sum())
        itself = int((ordered <= middle).sum())
        if (ordered_pairs + itself) // 2 >= place:
            high = middle
        else:
            low = middle
    return high
