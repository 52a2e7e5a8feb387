"""How far raters agree beyond chance: Krippendorff's alpha."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.bootstrap import LEAST_RESAMPLES, bca_ends, resampled_counts
from workbench.statistics.intervals import wilson
from workbench.statistics.quantiles import two_sided

Level = Literal["nominal", "ordinal", "interval"]
Ratings = Sequence[Sequence[Any]] | NDArray[Any]
"""A row a rater, a column a unit; None and NaN stand for "not rated"."""
_GROUPS = 500
"""Parts that the jackknife leaves out, at most."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement beyond chance with its interval."""

    alpha: float
    """1 is full agreement, 0 that of chance; NaN where every rating is the same, which tells nothing."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""
    units: int
    """Units (items) that two or more raters rated: what the interval takes as independent."""
    raters: int
    """Raters of those."""
    method: str = "Krippendorff's alpha"
    """Name of the method."""
    confidence: float = 0.95
    """Confidence of the interval."""
    n: int = 0
    """Ratings that could be paired."""

    def __str__(self) -> str:
        counts = f"{self.n} ratings of {self.units} units by {self.raters} raters"
        if math.isnan(self.alpha):
            return f"no agreement to tell: every rating is the same ({counts})"
        return f"{self.alpha:.2f} [{self.low:.2f}, {self.high:.2f}] ({counts}, {self.method})"


def krippendorff_alpha(
    ratings: Ratings,
    *,
    level: Level = "nominal",
    order: Sequence[Any] | None = None,
    confidence: float = 0.95,
    resamples: int = 5_000,
    seed: int = 0,
) -> Agreement:
    """Return Krippendorff's alpha of a table with a row a rater and a column a unit; None stands for "not rated".

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability (University of Pennsylvania). `level` says
    what a difference is: any (nominal), of ranks (ordinal; words need their `order`, the least first), or of numbers
    (interval). Units that fewer than two raters rated tell nothing and are left out. `table_of` builds the table from
    single ratings.

    The interval is a BCa bootstrap over units. Where all raters agree on every unit resampling shows no doubt: the
    lower end is then the alpha if as large a share of units as Wilson's interval allows were worst disagreements.
    Where the units that stay without any one of them have no alpha (one value in all of them), nothing tells how far
    the alpha would move: the interval is all of -1 to 1.

    Raises InvalidInput for rows of different lengths, words at a level of numbers, values that `order` lacks, or fewer
    than two units with two ratings.
    """
    if resamples < LEAST_RESAMPLES:
        raise InvalidInput(f"A bootstrap needs at least {LEAST_RESAMPLES} resamples, not {resamples}.")
    table = _table(ratings)
    values, places = _values(table, level, order)
    counts = np.zeros((places.shape[1], len(values)))
    rater, unit = np.nonzero(places >= 0)
    np.add.at(counts, (unit, places[rater, unit]), 1.0)
    pairable = counts.sum(axis=1) >= 2
    counts = counts[pairable]
    units, raters = len(counts), int((places[:, pairable] >= 0).any(axis=1).sum())
    if units < 2:
        raise InvalidInput(
            f"Agreement needs two or more units that two raters rated; there are {units}.",
            hint="Ask for a second rating of the same items.",
        )
    measure = _Measure(counts, np.asarray(values, dtype=np.float64) if level == "interval" else None, level)
    everything = np.ones((1, units))
    alpha, n = float(measure.alphas(everything)[0]), int(counts.sum())
    method = f"Krippendorff's alpha, {level}"
    if math.isnan(alpha):
        return Agreement(alpha, math.nan, math.nan, units, raters, method, confidence, n)
    if alpha == 1:
        low = 1 - wilson(0, units, confidence=confidence).high * measure.worst()
        return Agreement(alpha, max(-1.0, low), 1.0, units, raters, method, confidence, n)
    random = np.random.default_rng(seed)
    found = np.concatenate(
        [measure.alphas(each) for each in resampled_counts(units, resamples=resamples, random=random)]
    )
    left_out = measure.alphas(_left_out(units))
    left_out = left_out[~np.isnan(left_out)]
    if len(left_out) < 2:
        return Agreement(alpha, -1.0, 1.0, units, raters, method, confidence, n)
    low, high = bca_ends(found[~np.isnan(found)], alpha, left_out, two_sided(confidence), expand=True)
    return Agreement(alpha, low, min(1.0, high), units, raters, method, confidence, n)


def table_of(ratings: Iterable[tuple[str, str, Any]]) -> list[list[Any]]:
    """Return the table of single ratings (rater, unit, value), a row a rater and a column a unit, both sorted.

    Raises InvalidInput if one rater rated a unit twice.
    """
    found: dict[tuple[str, str], Any] = {}
    for rater, unit, value in ratings:
        if (rater, unit) in found:
            raise InvalidInput(f"{rater!r} rated {unit!r} twice.", hint="Keep the rating that stands.")
        found[rater, unit] = value
    units = sorted({unit for _, unit in found})
    return [[found.get((rater, unit)) for unit in units] for rater in sorted({rater for rater, _ in found})]


@dataclass(frozen=True)
class _Measure:
    """Alpha as a function of how often each unit counts."""

    counts: NDArray[np.float64]
    """Ratings of each value, shape (units, values)."""
    numbers: NDArray[np.float64] | None
    """The values as numbers, at the level of intervals."""
    level: Level

    def alphas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return alpha for each row of weights, shape (rows, units); NaN where all ratings are the same."""
        per_unit = self.counts.sum(axis=1)
        n, marginals = weights @ per_unit, weights @ self.counts
        if self.level == "nominal":
            observed = weights @ ((per_unit**2 - (self.counts**2).sum(axis=1)) / (per_unit - 1))
        else:
            places = self._places(marginals)
            squares, sums = places**2 @ self.counts.T, places @ self.counts.T
            observed = (weights * (2 * per_unit * squares - 2 * sums**2) / (per_unit - 1)).sum(axis=1)
        expected = self._expected(marginals)
        told = expected > 1e-9 * np.maximum(1.0, n)
        return np.where(told, 1 - (n - 1) * observed / np.where(told, expected, 1.0), np.nan)

    def worst(self) -> float:
        """Return the loss of alpha if every unit were a worst disagreement."""
        marginals = self.counts.sum(axis=0)[None, :]
        n = float(marginals.sum())
        widest = 1.0 if self.level == "nominal" else float(np.ptp(self._places(marginals))) ** 2
        return widest * n * (n - 1) / float(self._expected(marginals)[0])

    def _places(self, marginals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where each value lies, so that squared distances are differences: numbers, or the middles of ranks."""
        if self.numbers is not None:
            return self.numbers[None, :]
        return np.asarray(np.cumsum(marginals, axis=1) - marginals / 2, dtype=np.float64)

    def _expected(self, marginals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the differences between all ratings, each with each."""
        n = marginals.sum(axis=1)
        if self.level == "nominal":
            return np.asarray(n**2 - (marginals**2).sum(axis=1), dtype=np.float64)
        places = self._places(marginals)
        squares, sums = (marginals * places**2).sum(axis=1), (marginals * places).sum(axis=1)
        return np.asarray(2 * n * squares - 2 * sums**2, dtype=np.float64)


def _table(ratings: Ratings) -> list[list[Any]]:
    table = [list(row) for row in ratings]
    if len({len(row) for row in table}) > 1:
        raise InvalidInput("Each rater's row needs one place for each unit.", hint="Put None where there is no rating.")
    return [[None if isinstance(each, float) and math.isnan(each) else each for each in row] for row in table]


def _values(table: list[list[Any]], level: Level, order: Sequence[Any] | None) -> tuple[list[Any], NDArray[np.intp]]:
    """Return the values in order, and the place of each rating's in it (-1: none), shape (raters, units)."""
    if level not in ("nominal", "ordinal", "interval"):
        raise InvalidInput(f"A level is nominal, ordinal or interval, not {level!r}.", param="level")
    said = {each for row in table for each in row if each is not None}
    if order is not None:
        if lost := sorted(map(str, said - set(order))):
            raise InvalidInput(f"`order` lacks {', '.join(lost)}.", param="order")
        values = list(order)
    else:
        if level != "nominal" and not all(isinstance(each, (int, float, np.number)) for each in said):
            raise InvalidInput(
                f"Ratings in words have no {level} scale.",
                hint="Pass `order=` with the words from the least to the most, or `level='nominal'`.",
                param="order",
            )
        values = sorted(said, key=str if level == "nominal" else float)
    at: Mapping[Any, int] = {value: place for place, value in enumerate(values)}
    places = [[-1 if each is None else at[each] for each in row] for row in table]
    return values, np.array(places, dtype=np.intp).reshape(len(table), len(table[0]) if table else 0)


def _left_out(units: int) -> NDArray[np.float64]:
    """Return weights that leave out each unit once, or each of 500 groups of them."""
    groups = np.arange(units) * min(units, _GROUPS) // units
    return np.asarray(groups[None, :] != np.unique(groups)[:, None], dtype=np.float64)
