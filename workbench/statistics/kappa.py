"""How far two raters agree beyond chance: Cohen's kappa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.intervals import wilson
from workbench.statistics.quantiles import normal_quantile, two_sided


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two raters beyond chance with its interval."""

    kappa: float
    """1 is full agreement, 0 that of chance; NaN where both always say the same one word, which tells nothing."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""
    n: int
    """Items that both rated."""
    observed: float
    """Agreement seen (weighted where weights are)."""
    expected: float
    """Agreement that chance would give."""
    method: str
    """Name of the method."""
    confidence: float = 0.95
    """Confidence of the interval."""
    excluded: int = 0
    """Items left out because a rating is missing."""
    unit: str = "item"
    """What is taken as independent."""

    def __str__(self) -> str:
        if math.isnan(self.kappa):
            return f"no agreement to tell: every rating is the same (n={self.n})"
        seen = f"agreement {self.observed:.2f}, by chance {self.expected:.2f}"
        return f"{self.kappa:.2f} [{self.low:.2f}, {self.high:.2f}] (n={self.n}, {seen})"


def cohen_kappa(
    a: Sequence[Any],
    b: Sequence[Any],
    *,
    weights: Literal["linear", "quadratic"] | None = None,
    order: Sequence[Any] | None = None,
    confidence: float = 0.95,
) -> Kappa:
    """Return Cohen's kappa of two raters on the same items, in the same order; None and NaN are left out.

    Source: Cohen 1960, Educational and Psychological Measurement 20:37; with `weights` a near miss counts in part
    (Cohen 1968, Psychological Bulletin 70:213) and values are taken in their order: numbers as they are, words as
    `order` says. The interval is the large-sample one (Fleiss, Cohen & Everitt 1969, Psychological Bulletin 72:323),
    which is rough below 30 items. Where both agree on every item its lower end is the kappa if as large a share of
    items as Wilson's interval allows were disagreements.

    Raises InvalidInput if the lengths differ, no item has both ratings, or weights are asked for words without order.
    """
    if len(a) != len(b):
        raise InvalidInput(f"Kappa needs two ratings an item: there are {len(a)} and {len(b)}.")
    if weights not in (None, "linear", "quadratic"):
        raise InvalidInput(f"Weights are linear or quadratic, not {weights!r}.", param="weights")
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if not (_missing(x) or _missing(y))]
    if not pairs:
        raise InvalidInput("No item has a rating from both.", hint="Give both the same items to rate.")
    values = _ordered({each for pair in pairs for each in pair}, weighted=weights is not None, order=order)
    at = {value: place for place, value in enumerate(values)}
    shares = np.zeros((len(values), len(values)))
    for x, y in pairs:
        shares[at[x], at[y]] += 1 / len(pairs)
    found = _kappa(shares, _weights(len(values), weights), len(pairs), confidence)
    method = "Cohen's kappa" if weights is None else f"Cohen's kappa, {weights} weights"
    return Kappa(*found[:3], len(pairs), *found[3:], method, confidence, len(a) - len(pairs))


def _kappa(
    shares: NDArray[np.float64], weights: NDArray[np.float64], n: int, confidence: float
) -> tuple[float, float, float, float, float]:
    """Return kappa, its ends, the agreement observed and that expected."""
    of_a, of_b = shares.sum(axis=1), shares.sum(axis=0)
    observed = float((shares * weights).sum())
    expected = float(of_a @ weights @ of_b)
    if 1 - expected < 1e-12:
        return math.nan, math.nan, math.nan, observed, expected
    kappa = (observed - expected) / (1 - expected)
    if observed > 1 - 1e-12:
        low = 1 - wilson(0, n, confidence=confidence).high * (1 - float(weights.min())) / (1 - expected)
        return 1.0, max(-1.0, low), 1.0, observed, expected
    around = (weights @ of_b)[:, None] + (of_a @ weights)[None, :]
    spread = float((shares * (weights - around * (1 - kappa)) ** 2).sum()) - (kappa - expected * (1 - kappa)) ** 2
    half = normal_quantile(two_sided(confidence)) * math.sqrt(max(0.0, spread) / n) / (1 - expected)
    return kappa, max(-1.0, kappa - half), min(1.0, kappa + half), observed, expected


def _weights(values: int, weights: str | None) -> NDArray[np.float64]:
    if weights is None:
        return np.eye(values)
    apart = np.abs(np.arange(values)[:, None] - np.arange(values)[None, :]) / max(1, values - 1)
    return np.asarray(1 - (apart if weights == "linear" else apart**2), dtype=np.float64)


def _ordered(said: set[Any], *, weighted: bool, order: Sequence[Any] | None) -> list[Any]:
    if order is not None:
        if lost := sorted(map(str, said - set(order))):
            raise InvalidInput(f"`order` lacks {', '.join(lost)}.", param="order")
        return list(order)
    if not weighted:
        return sorted(said, key=str)
    if not all(isinstance(each, (int, float, np.number)) for each in said):
        raise InvalidInput("Words have no weights without `order=`, from the least to the most.", param="order")
    return sorted(said)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
