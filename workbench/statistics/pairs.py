"""Scores of two candidates on the same examples, as differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.intervals import ROUNDING, Scores, as_floats, check_bounds


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs in which both scores are there."""

    differences: NDArray[np.float64]
    """`a - b` of each complete pair; differences that are rounding are 0."""
    complete: NDArray[np.bool_]
    """Which of the pairs that were given are complete."""
    binary: bool
    """Whether every score is at one bound or the other."""
    widest: float
    """The largest difference there can be."""


def complete_pairs(a: Scores, b: Scores, *, bounds: tuple[float, float] | None) -> Pairs:
    """Return the differences of two lists of scores; raises InvalidInput as `paired_difference` does."""
    first, second = as_floats(a), as_floats(b)
    if len(first) != len(second):
        raise InvalidInput(
            f"Pairs need scores of the same examples: there are {len(first)} and {len(second)}.",
            hint="Pass None for a score that is missing.",
        )
    complete = ~(np.isnan(first) | np.isnan(second))
    first, second = first[complete], second[complete]
    if len(first) == 0:
        raise InvalidInput("No example has a score from both sides.", hint="Did every cell of one side fail?")
    check_bounds(first, bounds)
    check_bounds(second, bounds)
    widest = math.inf if bounds is None else bounds[1] - bounds[0]
    differences = first - second
    scale = widest if bounds is not None else float(np.abs([first, second]).max())
    differences[np.abs(differences) <= ROUNDING * scale] = 0.0
    binary = bounds is not None and bool(np.isin(first, bounds).all() and np.isin(second, bounds).all())
    return Pairs(differences, complete, binary, widest)
