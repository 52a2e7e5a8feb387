"""An interval of a mean that may be looked at after every observation."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.intervals import Interval, Scores, as_floats, check_bounds

_BOLDNESS = 0.5
"""The largest part of its capital that a bet may lose."""
_HALVINGS = 24
"""Steps to each end of the interval, which leave less than a ten-millionth of the bounds."""


class ConfidenceSequence:
    """The mean of bounded observations, with an interval that holds at every look at once.

    For each mean that could be true, two gamblers bet that observations lie above it and below it; a mean at which
    one has multiplied the stake by 2 / alpha is out. The bets follow the spread seen so far (the predictable plug-in
    of Waudby-Smith & Ramdas, arXiv 2010.09686, section 4.2, hedged), so that the interval narrows where differences
    vary little. The chance that the truth is ever left out is at most alpha, for any distribution within the bounds
    whose mean stays the same (Ville 1939). Feed the difference of each example (repeats averaged), in any order fixed
    before the scores are known.
    """

    def __init__(
        self,
        bounds: tuple[float, float] = (-1.0, 1.0),
        *,
        alpha: float = 0.05,
        null: float = 0.0,
        unit: str = "example",
    ) -> None:
        if not bounds[0] < bounds[1] or not all(map(math.isfinite, bounds)):
            raise InvalidInput(f"A confidence sequence needs finite bounds, the lower first, not {bounds}.")
        if not 0 < alpha < 1:
            raise InvalidInput(f"alpha lies between 0 and 1, not at {alpha!r}.", hint="0.05 is usual.", param="alpha")
        self.bounds, self.alpha, self.null, self.unit = bounds, alpha, null, unit
        self.n, self.excluded = 0, 0
        self._sum, self._squares = 0.0, 0.0
        self._seen: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def observe(self, values: Scores) -> ConfidenceSequence:
        """Take observations in the order they came; None and NaN are counted in `excluded`. Returns itself."""
        found = as_floats(values)
        kept = found[~np.isnan(found)]
        check_bounds(kept, self.bounds)
        self.excluded += len(found) - len(kept)
        if len(kept):
            scaled = (kept - self.bounds[0]) / (self.bounds[1] - self.bounds[0])
            bets, self._sum, self._squares = plug_in_bets(scaled, self.alpha, self.n, self._sum, self._squares)
            self.n += len(scaled)
            self._seen.append((scaled, bets))
        return self

    @property
    def mean(self) -> float:
        """The observed mean; NaN before the first observation."""
        low, high = self.bounds
        return low + (high - low) * self._sum / self.n if self.n else math.nan

    @property
    def interval(self) -> Interval:
        """The mean with its always-valid interval: what no look so far has ruled out."""
        low, high = self._ends(peak=True)
        if low >= high:  # every mean was ruled out at some look: it has drifted, or this is the one case in 1 / alpha
            low, high = self._ends(peak=False)
        return Interval(self.mean, low, high, self.n, "betting sequence", self.unit, None, 1 - self.alpha)

    @property
    def e_value(self) -> float:
        """The present evidence against `null`: by what its better gambler has multiplied half of the stake."""
        return math.exp(min(700.0, max(self._capital(self._null_at, peak=False)))) / 2

    @property
    def p_value(self) -> float:
        """An always-valid p value of `null`: one over the largest evidence seen."""
        return min(1.0, 2 * math.exp(-max(self._capital(self._null_at, peak=True))))

    @property
    def verdict(self) -> Literal["above", "below", "undecided"]:
        """Whether the mean was seen to lie above or below `null`; once it was, that stands while the mean does."""
        above, below = (each >= self._bar for each in self._capital(self._null_at, peak=True))
        if above and below:
            above, below = (each >= self._bar for each in self._capital(self._null_at, peak=False))
        return "above" if above else "below" if below else "undecided"

    def __str__(self) -> str:
        said = "undecided, go on" if self.verdict == "undecided" else f"{self.verdict} {self.null:g}"
        return f"{said}: {self.interval}, e = {self.e_value:.3g} (decides at {1 / self.alpha:g})"

    __repr__ = __str__

    @property
    def _null_at(self) -> float:
        least = 1e-9  # a null at or beyond a bound is taken as just inside it
        return min(1 - least, max(least, (self.null - self.bounds[0]) / (self.bounds[1] - self.bounds[0])))

    @property
    def _bar(self) -> float:
        return math.log(2 / self.alpha)

    def _capital(self, mean: float, *, peak: bool) -> tuple[float, float]:
        """Return the log capital of who bet on more than a mean and of who bet on less: the largest, or the present."""
        if not self._seen:
            return 0.0, 0.0
        if len(self._seen) > 1:
            scaled, bets = zip(*self._seen, strict=True)
            self._seen = [(np.concatenate(scaled), np.concatenate(bets))]
        grown = [np.cumsum(each) for each in log_growth(*self._seen[0], mean)]
        above, below = (max(0.0, float(each.max())) if peak else float(each[-1]) for each in grown)
        return above, below

    def _ends(self, *, peak: bool) -> tuple[float, float]:
        """Return the means next to those not ruled out, by bisection from `null`, each ruled out itself or a bound."""
        # The first gambler's capital only falls with the mean bet on, the second's only grows: what is out is an end.
        out_at_null = [each >= self._bar for each in self._capital(self._null_at, peak=peak)]
        ends = []
        for side, bound in enumerate((0.0, 1.0)):
            out, inside = (self._null_at, 1.0 - bound) if out_at_null[side] else (bound, self._null_at)
            for _ in range(_HALVINGS):
                middle = (out + inside) / 2
                if self._capital(middle, peak=peak)[side] >= self._bar:
                    out = middle
                else:
                    inside = middle
            ends.append(self.bounds[0] + (self.bounds[1] - self.bounds[0]) * out)
        return ends[0], ends[1]


def plug_in_bets(
    scaled: NDArray[np.float64], alpha: float, seen: int, total: float, squares: float
) -> tuple[NDArray[np.float64], float, float]:
    """Return the bet on each observation in [0, 1] from those before it, and the sums to go on with.

    Bets have the shape (n,) of the observations. Waudby-Smith & Ramdas, arXiv 2010.09686, equation 26.
    """
    times = seen + np.arange(1, len(scaled) + 1)
    totals = total + np.cumsum(scaled)
    centred = squares + np.cumsum((scaled - (0.5 + totals) / (times + 1)) ** 2)
    variances = (0.25 + np.concatenate([[squares], centred[:-1]])) / times
    bets = np.sqrt(2 * math.log(2 / alpha) / (variances * times * np.log(times + 1)))
    return bets, float(totals[-1]), float(centred[-1])


def log_growth(
    scaled: NDArray[np.float64], bets: NDArray[np.float64], mean: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log growth of capital that bets on more than a mean, and on less, at each observation in [0, 1]."""
    off = scaled - mean
    above = np.log1p(np.minimum(bets, _BOLDNESS / mean) * off)
    below = np.log1p(-np.minimum(bets, _BOLDNESS / (1 - mean)) * off)
    return above, below
