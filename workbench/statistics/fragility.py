"""How few votes carry a leader: the smallest number whose loss, or whose turning, puts another in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.statistics.vote_design import VoteDesign

_RIVALS = 2
"""Rivals for whom the count is verified by fitting anew: those whom the fewest votes seem to hold back."""


@dataclass(frozen=True, slots=True)
class Fragility:
    """How few votes would change the leader."""

    removed: int | None
    """Votes whose removal puts another in front; None if no removal does."""
    flipped: int | None
    """Votes whose turning round puts another in front; None if none does."""
    rival: str
    """Who would lead then."""
    n: int
    """Votes there are."""

    def __str__(self) -> str:
        if self.removed is None and self.flipped is None:
            return f"no number of votes removed or turned puts {self.rival} in front"
        removed = "no removal" if self.removed is None else f"removing {self.removed}"
        flipped = "no turning" if self.flipped is None else f"turning {self.flipped}"
        return f"{flipped} or {removed} of {self.n} votes puts {self.rival} in front"


def votes_to_flip(design: VoteDesign) -> Fragility | None:
    """Return how few votes would change the leader; None with fewer than two candidates.

    Votes are ordered by their influence on the lead over a rival (Broderick, Giordano & Meager, arXiv 2011.14999;
    for leaderboards Huang et al., arXiv 2508.11847), and the number is verified by fitting anew. With two candidates
    and no term for the left side it is the least there is; otherwise no smaller number was found.
    """
    if len(design.names) < 2:
        return None
    rows, found = design.rows, design.fit()
    bread = np.linalg.inv(design.information(rows, found))
    strengths = np.asarray(found[: len(design.names)], dtype=np.float64)
    leader = int(np.argmax(strengths))
    towards = (bread[:, [leader]] - bread)[:, : len(strengths)]
    removed = _fewest(design.without, design.scores(rows, found) @ towards, strengths, leader)
    flipped = _fewest(design.turned, (rows * (2 * design.won - 1)[:, None]) @ towards, strengths, leader)
    rival = (flipped or removed or (0, int(np.argsort(-strengths, kind="stable")[1])))[1]
    return Fragility(removed and removed[0], flipped and flipped[0], design.names[rival], len(design.won))


def _fewest(
    change: Callable[[NDArray[np.intp]], VoteDesign],
    lowers: NDArray[np.float64],
    strengths: NDArray[np.float64],
    leader: int,
) -> tuple[int, int] | None:
    """Return the fewest votes, and for which rival; `lowers` is each vote's effect on the lead over each candidate."""
    orders = {}
    for rival in range(len(strengths)):
        if rival != leader:
            order = np.argsort(-lowers[:, rival], kind="stable")
            order = order[lowers[order, rival] > 1e-12]
            lead = strengths[leader] - strengths[rival]
            orders[rival] = order, 1 + int(np.searchsorted(np.cumsum(lowers[order, rival]), lead))
    closest = sorted(orders, key=lambda rival: orders[rival][1])[:_RIVALS]
    counts = [(_overtaken_after(*orders[rival], change, leader), rival) for rival in closest]
    found = [(count, rival) for count, rival in counts if count is not None]
    return min(found) if found else None


def _overtaken_after(
    order: NDArray[np.intp], guess: int, change: Callable[[NDArray[np.intp]], VoteDesign], leader: int
) -> int | None:
    """Return the smallest number of votes, taken in order, after which somebody else leads."""

    def overtaken(count: int) -> bool:
        changed = change(order[:count])
        strengths = changed.fit()[: len(changed.names)]
        return bool(strengths.max() > strengths[leader] + 1e-9)

    low, high = 0, guess
    while high < len(order) and not overtaken(high):
        low, high = high, 2 * high
    if high >= len(order):
        high = len(order)
        if high == 0 or not overtaken(high):
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if overtaken(middle) else (middle, high)
    return high
