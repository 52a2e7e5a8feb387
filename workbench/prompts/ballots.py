"""People's votes on a candidate against its baseline, as a gate counts them: a tie is half a win."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workbench.statistics import Interval, mean_interval

_RATERS = 5


@dataclass(frozen=True)
class Ballot:
    """One person's word on two answers to one example."""

    rater: str
    """Who."""
    won: float
    """1 for the candidate, 0 for the baseline, 0.5 for neither."""
    item: str | None = None
    """The example that both answered; None: one by itself."""


class Ballots:
    """All votes on one candidate against one baseline."""

    def __init__(self, votes: Iterable[Ballot]) -> None:
        self._votes = tuple(votes)

    @property
    def n(self) -> int:
        """How many votes there are."""
        return len(self._votes)

    @property
    def raters(self) -> int:
        """How many people voted."""
        return len({vote.rater for vote in self._votes})

    def share(self, *, confidence: float) -> Interval:
        """Return the candidate's share of the votes with its interval.

        The votes of one rater are one cluster. Fewer than five raters can't speak for all there could be: they speak
        for themselves, and the votes on one example are one cluster.
        """
        won = [vote.won for vote in self._votes]
        if self.raters >= _RATERS:
            clusters, unit = [vote.rater for vote in self._votes], "rater"
        else:
            clusters = [vote.item or f"vote {place}" for place, vote in enumerate(self._votes)]
            unit = "example"
        return mean_interval(won, confidence=confidence, clusters=clusters, unit=unit)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        counts = {"wins": 1.0, "losses": 0.0, "ties": 0.5}
        return {
            "votes": self.n,
            "raters": self.raters,
            **{name: sum(vote.won == worth for vote in self._votes) for name, worth in counts.items()},
        }
