"""What the votes on two runs add up to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.feedback.pair import matched
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import words
from workbench.statistics import Interval, wilson

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Tally:
    """What the votes on two runs add up to."""

    run_a: str
    """The first run."""
    run_b: str
    """The second run."""
    wins_a: int
    """Votes for the first."""
    wins_b: int
    """Votes for the second."""
    ties: int
    """Votes that both are as good."""
    both_bad: int
    """Votes that neither will do."""
    raters: int
    """People who voted."""
    pairs: int
    """Pairs that can be voted on."""
    pairs_voted: int
    """Pairs that have a vote."""
    identical: int
    """Examples where both said the same, which is not put to a vote."""
    left_wins: int
    """Decisive votes for the left side: far from half of them tells of a habit, not of the runs."""
    share_a: Interval | None
    """Share of the first among the decisive votes with Wilson's interval, which takes votes as independent: several
    votes of one rater or on one pair make it too narrow. None without a decisive vote."""

    @property
    def n(self) -> int:
        """All votes."""
        return self.wins_a + self.wins_b + self.ties + self.both_bad

    @property
    def decisive(self) -> int:
        """Votes that chose a side."""
        return self.wins_a + self.wins_b

    def __str__(self) -> str:
        counts = f"{self.wins_a} : {self.wins_b}, {self.ties} ties, {self.both_bad} both bad, n = {self.n}"
        if self.share_a is None:
            return f"{counts}, no decisive vote"
        share = self.share_a
        return f"{counts}, share {share.mean:.2f} [{share.low:.2f}, {share.high:.2f}] of {self.decisive} decisive"


def tally(run_a: str, run_b: str, *, tracker: Tracker | None = None) -> Tally:
    """Count the votes of all raters on two runs."""
    tracker = tracker or tracking.connect()
    found, identical = matched(run_a, run_b, tracker=tracker)
    said = words([run_a, run_b], name=PREFERENCE, tracker=tracker)
    counts = Counter(word.value for word in said)
    decisive = counts["better"] + counts["worse"]
    return Tally(
        run_a,
        run_b,
        wins_a=counts["better"],
        wins_b=counts["worse"],
        ties=counts["tie"],
        both_bad=counts["both_bad"],
        raters=len({word.rater for word in said}),
        pairs=len(found),
        pairs_voted=len({(word.trace_a, word.trace_b) for word in said}),
        identical=identical,
        left_wins=sum(word.outcome == word.left for word in said),
        share_a=wilson(counts["better"], decisive) if decisive else None,
    )
