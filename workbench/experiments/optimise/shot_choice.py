"""Three ways to choose examples: those that stand for many, those unlike one another, those that help as measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Fits = Callable[[list[int]], bool]
"""Whether a choice, by places in the pool, may be made: it fits the token budget."""


def similar(pool: NDArray[np.float64], wanted: NDArray[np.float64], k: int, fits: Fits) -> list[int]:
    """Choose examples so that every wanted text has one near it.

    Greedy facility location over cosines (Nemhauser, Wolsey & Fisher 1978: within 1 - 1/e of the best choice). Vectors
    are of length 1; ties go to the first of the pool.
    """
    cosines = wanted @ pool.T
    nearest = np.zeros(len(wanted))
    chosen: list[int] = []
    while len(chosen) < k:
        gains = np.maximum(cosines, nearest[:, None]).sum(axis=0)
        at = _first(np.argsort(-gains, kind="stable"), chosen, fits)
        if at is None:
            break
        chosen.append(at)
        nearest = np.maximum(nearest, cosines[:, at])
    return chosen


def diverse(pool: NDArray[np.float64], k: int, fits: Fits) -> list[int]:
    """Choose the example nearest to all, then always the one farthest from those chosen.

    Gonzalez 1985 (Theoretical Computer Science 38:293): k centres, within twice the least radius.
    """
    cosines = pool @ pool.T
    chosen: list[int] = []
    order = np.argsort(-cosines.sum(axis=0), kind="stable")
    while len(chosen) < k:
        at = _first(order, chosen, fits)
        if at is None:
            break
        chosen.append(at)
        order = np.argsort(cosines[:, chosen].max(axis=1), kind="stable")
    return chosen


def tried(rng: np.random.Generator, size: int, chosen: list[int], count: int, fits: Fits) -> list[int]:
    """Return places to try next: a draw from those that are left and fit."""
    left = [int(at) for at in rng.permutation(size) if int(at) not in chosen]
    return list(_some((at for at in left if fits([*chosen, at])), count))


def _first(order: NDArray[np.intp], chosen: list[int], fits: Fits) -> int | None:
    return next((int(at) for at in order if int(at) not in chosen and fits([*chosen, int(at)])), None)


def _some(places: Iterator[int], count: int) -> Iterator[int]:
    for _, place in zip(range(count), places, strict=False):
        yield place
