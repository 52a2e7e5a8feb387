"""Quantiles of the normal and the Student t distribution, without scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from workbench.errors import InvalidInput

_EXPANDED_FROM = 500


def normal_quantile(probability: float) -> float:
    """Return the value below which a standard normal variable lies with this probability."""
    return NormalDist().inv_cdf(probability)


@lru_cache(maxsize=256)
def student_t_quantile(probability: float, degrees: int) -> float:
    """Return the value below which a Student t variable lies with this probability; `degrees` is an integer >= 1.

    The distribution function is the finite sum for integer degrees (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4),
    inverted by bisection; above 500 degrees it is the expansion around the normal quantile (26.7.5), which is then
    exact to 10 digits.
    """
    if degrees < 1:
        raise InvalidInput(f"Student's t needs at least 1 degree of freedom, not {degrees}.")
    if probability == 0.5:
        return 0.0
    if degrees > _EXPANDED_FROM:
        return _expanded(normal_quantile(probability), degrees)
    tail = max(probability, 1 - probability)
    low, high = 0.0, 1.0
    while _central(high, degrees) < 2 * tail - 1:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _central(middle, degrees) < 2 * tail - 1:
            low = middle
        else:
            high = middle
    return high if probability > 0.5 else -high


def two_sided(confidence: float) -> float:
    """Return the probability whose quantile bounds a two-sided interval; raises InvalidInput outside (0, 1)."""
    if not 0 < confidence < 1:
        raise InvalidInput(f"A confidence lies between 0 and 1, not {confidence!r}.", hint="0.95 is usual.")
    return (1 + confidence) / 2


def _central(t: float, degrees: int) -> float:
    """Return P(|T| < t)."""
    theta = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


def _expanded(z: float, degrees: int) -> float:
    terms: tuple[float, ...] = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))
