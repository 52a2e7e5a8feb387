"""Repeated answers to one example: averaged to one score an item, and how steady they are."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.clusters import Labels
from workbench.statistics.intervals import Interval, Scores, as_floats, mean_interval
from workbench.statistics.table import html_table


@dataclass(frozen=True, slots=True)
class Repeats:
    """How steady a candidate is over repeats of the same examples; every interval is over examples."""

    pass_at_1: Interval
    """Chance that one answer is right."""
    pass_at_k: Interval
    """Chance that at least one of `k` answers is right."""
    pass_hat_k: Interval
    """Chance that all of `k` answers are right (pass^k)."""
    flip_rate: Interval
    """Chance that two answers to one example are not both right or both wrong."""
    within_sd: float
    """Standard deviation from answer to answer on one example; `plan` takes it."""
    k: int
    """Answers that are drawn."""
    excluded: int
    """Examples left out because fewer than `k` (or two) answers have a score."""

    def __str__(self) -> str:
        return "\n".join([*(f"{name} {figure}" for name, figure in self._named().items()), self._footer()])

    def _repr_html_(self) -> str:
        rows = [
            {"figure": name, "mean": each.mean, "low": each.low, "high": each.high, "n": each.n, "unit": each.unit}
            for name, each in self._named().items()
        ]
        return html_table(rows, footer=[self._footer()])

    def _named(self) -> dict[str, Interval]:
        return {
            "pass@1": self.pass_at_1,
            f"pass@{self.k}": self.pass_at_k,
            f"pass^{self.k}": self.pass_hat_k,
            "flip rate": self.flip_rate,
        }

    def _footer(self) -> str:
        return f"within an example sd {self.within_sd:.3g}, {self.excluded} examples left out"


def average_repeats(scores: Scores, items: Sequence[Hashable]) -> tuple[NDArray[np.float64], list[Hashable]]:
    """Return the mean score of each item and the items, in the order in which they came first.

    Scores of None and NaN are left out; an item without any has NaN. Raises InvalidInput if the lengths differ.
    """
    values = as_floats(scores)
    if len(values) != len(items):
        raise InvalidInput(f"Each score needs its item: there are {len(values)} scores and {len(items)} items.")
    place: dict[Hashable, int] = {}
    codes = np.array([place.setdefault(item, len(place)) for item in items], dtype=np.intp)
    there = ~np.isnan(values)
    counts = np.bincount(codes[there], minlength=len(place))
    sums = np.bincount(codes[there], values[there], minlength=len(place))
    means = np.divide(sums, counts, out=np.full(len(place), math.nan), where=counts > 0)
    return means, list(place)


def repeats(
    outcomes: Sequence[Scores],
    *,
    k: int,
    confidence: float = 0.95,
    clusters: Labels | None = None,
    unit: str | None = None,
) -> Repeats:
    """Return pass@1, pass@k, pass^k and the flip rate of right (1) and wrong (0) answers, a list an example.

    Each is estimated without bias for an example with c right answers of n, then averaged over examples: pass@k is
    1 - C(n - c, k) / C(n, k) (Chen et al., arXiv 2107.03374), pass^k is C(c, k) / C(n, k) (Yao et al., arXiv
    2406.12045), the flip rate is 2 c (n - c) / (n (n - 1)). Answers without a score (None, NaN) are left out, and
    examples with fewer than max(k, 2) scored answers. `clusters` holds a label an example.

    Raises InvalidInput if k is below 1, an outcome is neither 0 nor 1, or no example has enough answers.
    """
    if k < 1:
        raise InvalidInput(f"k is at least 1, not {k}.", param="k")
    right, answers = _counts(outcomes)
    enough = answers >= max(k, 2)
    if not enough.any():
        raise InvalidInput(
            f"No example has {max(k, 2)} scored answers.", hint="Run with more repeats, or ask for a smaller k."
        )
    labels: Any = clusters
    if clusters is not None:
        if len(clusters) != len(outcomes):
            raise InvalidInput(f"Each example needs one cluster label, not {len(clusters)} for {len(outcomes)}.")
        labels = [label for label, kept in zip(clusters, enough, strict=True) if kept]
    right, answers = right[enough], answers[enough]

    def over_examples(values: Sequence[float] | NDArray[np.float64]) -> Interval:
        return mean_interval(values, confidence=confidence, clusters=labels, unit=unit)

    flips = 2 * right * (answers - right) / (answers * (answers - 1))
    counts = [(int(c), int(n)) for c, n in zip(right, answers, strict=True)]
    return Repeats(
        pass_at_1=over_examples(right / answers),
        pass_at_k=over_examples([1 - math.comb(n - c, k) / math.comb(n, k) for c, n in counts]),
        pass_hat_k=over_examples([math.comb(c, k) / math.comb(n, k) for c, n in counts]),
        flip_rate=over_examples(flips),
        within_sd=math.sqrt(float(flips.mean()) / 2),
        k=k,
        excluded=int((~enough).sum()),
    )


def _counts(outcomes: Sequence[Scores]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right answers and scored answers of each example."""
    right, answers = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    for place, each in enumerate(outcomes):
        values = as_floats(each)
        kept = values[~np.isnan(values)]
        if not np.isin(kept, (0.0, 1.0)).all():
            raise InvalidInput(
                f"Answers are right (1) or wrong (0); one is {kept[~np.isin(kept, (0.0, 1.0))][0]:g}.",
                hint="Set a bar for graded scores first.",
            )
        right[place], answers[place] = kept.sum(), len(kept)
    return right, answers
