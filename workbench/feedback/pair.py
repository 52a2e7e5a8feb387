"""Blind pairs: two outputs for one example, side by side, with nothing that tells whose they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback.answer import Answer, answer
from workbench.feedback.work_list import work_list

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

_CELLS = "cells.json"


@dataclass(frozen=True)
class Pair:
    """Two outputs to choose between. Which run a side is from is told by neither field."""

    pair_id: str
    """Id of these two outputs, whichever stands on the left."""
    example_id: str
    """The example that both answer."""
    left: str
    """Trace of the left side."""
    right: str
    """Trace of the right side."""

    def answers(self, *, tracker: Tracker | None = None) -> tuple[Answer, Answer]:
        """Return what is shown on the left and on the right."""
        return answer(self.left, tracker=tracker), answer(self.right, tracker=tracker)


def pairs(run_a: str, run_b: str, *, seed: int = 0, tracker: Tracker | None = None) -> list[Pair]:
    """Return the pairs of two runs of one experiment in random order, each run on the left in half of them.

    A cell that failed makes no pair, and neither do two outputs that are the same: there is nothing to choose between.
    Raises InvalidInput if the runs have no example in common.
    """
    found, _ = matched(run_a, run_b, tracker=tracker or tracking.connect())
    draw = np.random.default_rng([seed, _number(*sorted((run_a, run_b)))])
    order = draw.permutation(len(found))
    # Exactly half, and by chance which of them: a rater who prefers a side says nothing about the runs.
    a_is_left = draw.permutation(np.arange(len(found)) % 2 == draw.integers(2))
    pairs_: list[Pair] = []
    for place in order:
        example, a, b = found[place]
        left, right = (a, b) if a_is_left[place] else (b, a)
        pairs_.append(Pair(pair_id(a, b), example, left, right))
    return pairs_


@lru_cache(maxsize=64)
def matched(run_a: str, run_b: str, *, tracker: Tracker) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """Return (example, trace of a, trace of b) where both answered and differ, and how many did not differ.

    The tables of a run are written once, so what was read of them stays true.
    """
    if run_a == run_b:
        raise InvalidInput("A run can't be compared with itself.", param="run_b")
    first, second = answered(run_a, tracker=tracker), answered(run_b, tracker=tracker)
    common = [cell for cell in first if cell in second]
    if not common:
        raise InvalidInput(f"The runs {run_a[:8]} and {run_b[:8]} have no answered example in common.")
    found = tuple((cell[0], first[cell][0], second[cell][0]) for cell in common if first[cell][1] != second[cell][1])
    return found, len(common) - len(found)


def pair_id(trace_a: str, trace_b: str) -> str:
    """Return the id of two outputs, the same for both orders."""
    return hashlib.sha256("|".join(sorted((trace_a, trace_b))).encode()).hexdigest()[:24]


def rater_seed(rater: str, *, tracker: Tracker) -> int:
    """Return a seed of the rater's own, so that raters see the pairs in different orders and on different sides.

    It is made of a random word that stays in the home: nobody can tell from names and ids which side is whose.
    """
    return _number(rater, work_list(tracker.home).secret())


def answered(run_id: str, *, tracker: Tracker) -> dict[tuple[str, Any], tuple[str, str]]:
    """Return trace and content of each cell that was answered and left a trace, by example and repeat."""
    cells: Any = tracker.table(run_id, _CELLS).to_dict("records")
    return {
        (str(cell["example_id"]), cell.get("repeat", 0)): (str(cell["trace_id"]), repr(_content(cell)))
        for cell in cells
        if _is_there(cell.get("trace_id")) and not _is_there(cell.get("error"))
    }


def _content(cell: dict[str, Any]) -> list[Any]:
    """Return what a rater would see; an image's path is made of its hash."""
    return [cell.get("output"), cell.get("images")]


def _is_there(value: Any) -> bool:
    return value is not None and value == value and value != ""  # noqa: PLR0124 - NaN is not equal to itself


def _number(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("|".join(words).encode()).digest()[:8], "big")
