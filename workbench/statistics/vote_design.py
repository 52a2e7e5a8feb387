"""Votes as a logistic regression: a row a vote, a column a candidate and one for the left side; and who met whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.clusters import cluster_codes
from workbench.statistics.vote import Vote

_STEPS = 100


@dataclass(frozen=True, slots=True)
class VoteDesign:
    """The votes as numbers."""

    names: tuple[str, ...]
    """Candidates, sorted."""
    first: NDArray[np.intp]
    """Place of `a` in `names`, shape (votes,)."""
    second: NDArray[np.intp]
    """Place of `b`."""
    side: NDArray[np.float64]
    """1 where `a` stood left, -1 where `b` did, 0 where it is not known."""
    won: NDArray[np.float64]
    """1 where `a` won, 0 where `b` did, one half for a tie."""
    with_side: bool
    """Whether a term for the left side can be told from the candidates."""
    ridge: float
    """What is added to the information of each parameter."""

    @property
    def rows(self) -> NDArray[np.float64]:
        """The regression's rows, shape (votes, candidates [+ 1])."""
        votes, columns = len(self.won), len(self.names) + self.with_side
        rows = np.zeros((votes, columns))
        rows[np.arange(votes), self.first] = 1.0
        rows[np.arange(votes), self.second] = -1.0
        if self.with_side:
            rows[:, -1] = self.side
        return rows

    def fit(self) -> NDArray[np.float64]:
        """Return the strengths (their sum is 0) and the term for the left side, by Newton's method."""
        rows, found = self.rows, np.zeros(len(self.names) + self.with_side)
        value = self._objective(rows, found)
        for _ in range(_STEPS):
            chances = _logistic(rows @ found)
            slope = rows.T @ (self.won - chances) - self.ridge * found
            step = np.linalg.solve(self.information(rows, found), slope)
            while (moved := self._objective(rows, found + step)) < value - 1e-12 and np.abs(step).max() > 1e-10:
                step = step / 2
            found, value = found + step, moved
            if np.abs(step).max() < 1e-9:
                break
        found[: len(self.names)] -= found[: len(self.names)].mean()
        return found

    def weights(self, rows: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much each vote tells, shape (votes,)."""
        chances = _logistic(rows @ found)
        return np.asarray(chances * (1 - chances), dtype=np.float64)

    def information(self, rows: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return minus the second derivative of the penalised log likelihood."""
        weighted = rows * self.weights(rows, found)[:, None]
        return np.asarray(rows.T @ weighted + self.ridge * np.eye(len(found)), dtype=np.float64)

    def scores(self, rows: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each vote's pull on the parameters, shape (votes, parameters)."""
        return np.asarray(rows * (self.won - _logistic(rows @ found))[:, None], dtype=np.float64)

    def without(self, votes: NDArray[np.intp]) -> VoteDesign:
        """Return the design that lacks some votes."""
        kept = np.ones(len(self.won), dtype=np.bool_)
        kept[votes] = False
        return replace(self, first=self.first[kept], second=self.second[kept], side=self.side[kept], won=self.won[kept])

    def turned(self, votes: NDArray[np.intp]) -> VoteDesign:
        """Return the design in which the winner of some votes is the other candidate."""
        won = self.won.copy()
        won[votes] = 1 - won[votes]
        return replace(self, won=won)

    def _objective(self, rows: NDArray[np.float64], found: NDArray[np.float64]) -> float:
        lead = rows @ found
        likelihood = self.won * lead - np.logaddexp(0.0, lead)
        return float(likelihood.sum()) - self.ridge / 2 * float((found**2).sum())


def design_of(votes: Sequence[Vote], *, ridge: float) -> VoteDesign:
    """Return votes as numbers; raises InvalidInput if candidates fall into groups that never met."""
    names = tuple(sorted({name for vote in votes for name in (vote.a, vote.b)}))
    place = {name: at for at, name in enumerate(names)}
    design = VoteDesign(
        names,
        first=np.array([place[vote.a] for vote in votes], dtype=np.intp),
        second=np.array([place[vote.b] for vote in votes], dtype=np.intp),
        side=np.array([0.0 if vote.left is None else 1.0 if vote.left == "a" else -1.0 for vote in votes]),
        won=np.array([{"a": 1.0, "b": 0.0, "tie": 0.5}[vote.outcome] for vote in votes]),
        with_side=True,
        ridge=ridge,
    )
    _check_connected(design)
    told_apart = np.linalg.matrix_rank(design.rows) == len(names)  # strengths have one rank less than their number
    return design if told_apart else replace(design, with_side=False)


def rater_codes(votes: Sequence[Vote]) -> tuple[NDArray[np.intp], str]:
    """Return the cluster of each vote, and what the clusters are.

    They are raters; with one rater items, or votes where no two have one item; votes where none names its rater.
    """
    for unit in ("rater", "item") if any(vote.rater is not None for vote in votes) else ():
        labels = [getattr(vote, unit) for vote in votes]
        codes = cluster_codes(labels, len(votes))
        if any(label is not None for label in labels) and codes.max() > 0:
            return codes, unit
    return np.arange(len(votes), dtype=np.intp), "vote"


def unbeaten(design: VoteDesign) -> bool:
    """Return whether some group of candidates never lost to the rest, so that its lead has no finite estimate."""
    beats = np.eye(len(design.names), dtype=np.bool_)
    beats[design.first[design.won > 0], design.second[design.won > 0]] = True
    beats[design.second[design.won < 1], design.first[design.won < 1]] = True
    return not bool(_reach(beats).all())


def _check_connected(design: VoteDesign) -> None:
    met = np.eye(len(design.names), dtype=np.bool_)
    met[design.first, design.second] = met[design.second, design.first] = True
    reach = _reach(met)
    if not reach.all():
        groups = sorted({tuple(design.names[i] for i in np.flatnonzero(row)) for row in reach})
        shown = "; ".join(", ".join(group) for group in groups)
        raise InvalidInput(
            f"The votes fall into {len(groups)} groups that never met: {shown}.",
            hint="Collect votes on a pair across them, or rank each group on its own.",
        )


def _reach(steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return who is reached from whom in any number of steps."""
    for _ in range(max(1, len(steps)).bit_length()):
        steps = (steps.astype(np.int64) @ steps.astype(np.int64)) > 0
    return steps


def _logistic(lead: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0.0, -lead)), dtype=np.float64)
