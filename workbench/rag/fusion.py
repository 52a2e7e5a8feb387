"""Make one ranking of two legs that score on different scales.

Sources: Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval" (arXiv 2210.11934) for convex combination;
Cormack et al., SIGIR 2009, for reciprocal rank fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Convex:
    """Weigh both legs' scores, each stretched over the pool to 0..1."""

    dense_weight: float = 0.7
    """Share of the vector leg, 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.dense_weight <= 1:
            raise InvalidInput(f"A dense weight of {self.dense_weight} can't be used.", hint="Take one from 0 to 1.")

    def fuse(self, lexical: Scores, cosines: Scores, documents: Sequence[str]) -> Scores:
        """Return a score from 0 to 1 for each candidate.

        A candidate without a matching term scores 0 in the lexical leg: that is its least possible score, whatever
        else is in the pool. Scores, unlike ranks, don't suffer from a document that has many candidates.
        """
        return self.dense_weight * _stretched(cosines) + (1 - self.dense_weight) * _stretched(lexical, least=0.0)


@dataclass(frozen=True)
class ReciprocalRank:
    """Add 1 / (constant + rank) over the legs."""

    constant: int = 60
    """Larger values flatten the difference between ranks."""
    pool: int = 100
    """A leg's candidates below this rank get nothing from it."""

    def fuse(self, lexical: Scores, cosines: Scores, documents: Sequence[str]) -> Scores:
        """Return a score for each candidate.

        A document with many candidates must not push the others down a leg: a rank counts the *other documents* that
        stand before, each once, and the candidate's own earlier siblings.
        """
        total = np.zeros(len(documents))
        for scores, matched in ((lexical, lexical > 0), (cosines, np.ones(len(documents), dtype=bool))):
            ranks = _ranks(scores, documents)
            total += np.where(matched & (ranks <= self.pool), 1 / (self.constant + ranks), 0.0)
        return total


Fusion = Convex | ReciprocalRank


def _stretched(scores: Scores, *, least: float | None = None) -> Scores:
    if not len(scores):
        return scores
    low = float(scores.min()) if least is None else least
    high = float(scores.max())
    if high > low:
        return (scores - low) / (high - low)
    return np.ones(len(scores)) if least is None else np.zeros(len(scores))  # equal ones; nothing matched


def _ranks(scores: Scores, documents: Sequence[str]) -> NDArray[np.int64]:
    ranks = np.zeros(len(documents), dtype=np.int64)
    siblings: dict[str, int] = {}
    for position in np.argsort(-scores, kind="stable"):
        document = documents[position]
        own = siblings.get(document, 0)
        others = len(siblings) - (1 if own else 0)
        ranks[position] = 1 + others + own
        siblings[document] = own + 1
    return ranks
