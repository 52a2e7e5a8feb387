"""Votes on blind pairs, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback.pair import Pair, matched, pair_id, pairs, rater_seed
from workbench.statistics import Interval, wilson

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker

Choice = Literal["left", "right", "tie", "both_bad"]
CHOICES: tuple[tuple[Choice, str], ...] = (
    ("left", "Left is better"),
    ("tie", "As good"),
    ("both_bad", "Both are bad"),
    ("right", "Right is better"),
)
"""The choices in the words of a ballot, in the order in which they stand below a pair."""
PREFERENCE = "preference"
_OPPONENT, _SIDE = "workbench.opponent", "workbench.side"


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


def vote(pair: Pair, choice: Choice, rater: str, *, comment: str | None = None, tracker: Tracker | None = None) -> None:
    """Write a person's vote on both traces; voting again on the pair overrides, the same vote changes nothing."""
    if choice not in ("left", "right", "tie", "both_bad"):
        raise InvalidInput(f"A vote is left, right, tie or both_bad, not {choice!r}.", param="choice")
    if pair.pair_id != pair_id(pair.left, pair.right):
        raise InvalidInput("The pair's id does not belong to its two traces.", param="pair")
    tracker = tracker or tracking.connect()
    for side, trace, opponent in (("left", pair.left, pair.right), ("right", pair.right, pair.left)):
        value = choice if choice in ("tie", "both_bad") else "better" if choice == side else "worse"
        tracker.rate(
            trace,
            PREFERENCE,
            value,
            source="HUMAN",
            source_id=rater,
            rationale=comment,
            about=pair.pair_id,
            metadata={_OPPONENT: opponent, _SIDE: side},
        )


def next_pair(rater: str, run_a: str, run_b: str, *, tracker: Tracker | None = None) -> Pair | None:
    """Return the next pair that this person has not voted on, or None; order and sides are the person's own."""
    tracker = tracker or tracking.connect()
    for pair in _open_pairs(rater, run_a, run_b, tracker):
        return pair
    return None


def progress(rater: str, run_a: str, run_b: str, *, tracker: Tracker | None = None) -> tuple[int, int]:
    """Return how many pairs this person has voted on, and how many there are."""
    tracker = tracker or tracking.connect()
    found, _ = matched(run_a, run_b, tracker=tracker)
    left = sum(1 for _ in _open_pairs(rater, run_a, run_b, tracker))
    return len(found) - left, len(found)


def tally(run_a: str, run_b: str, *, tracker: Tracker | None = None) -> Tally:
    """Count the votes of all raters on two runs."""
    tracker = tracker or tracking.connect()
    found, identical = matched(run_a, run_b, tracker=tracker)
    votes = _votes(found, tracker)
    counts = Counter(value for _, _, value, _ in votes)
    decisive = counts["better"] + counts["worse"]
    return Tally(
        run_a,
        run_b,
        wins_a=counts["better"],
        wins_b=counts["worse"],
        ties=counts["tie"],
        both_bad=counts["both_bad"],
        raters=len({rater for _, rater, _, _ in votes}),
        pairs=len(found),
        pairs_voted=len({pair for pair, _, _, _ in votes}),
        identical=identical,
        left_wins=sum(value == ("better" if side == "left" else "worse") for _, _, value, side in votes),
        share_a=wilson(counts["better"], decisive) if decisive else None,
    )


def _open_pairs(rater: str, run_a: str, run_b: str, tracker: Tracker) -> Iterator[Pair]:
    mine = pairs(run_a, run_b, seed=rater_seed(rater), tracker=tracker)
    said = _preferences([trace for pair in mine for trace in (pair.left, pair.right)], tracker)
    counts = Counter(said.loc[said["source_id"] == rater, "about"])
    # A vote stands on both traces; where a crash left it on one, the pair is asked again and the vote made whole.
    return (pair for pair in mine if counts[pair.pair_id] < 2)


def _votes(found: Sequence[tuple[str, str, str]], tracker: Tracker) -> list[tuple[str, str, str, str]]:
    """Return (pair, rater, word for a, side of a) of each vote: the latest word that stands on either trace."""
    of_a = {trace_a for _, trace_a, _ in found}
    known = {pair_id(a, b) for _, a, b in found}
    said = _preferences([trace for _, a, b in found for trace in (a, b)], tracker)
    latest: dict[tuple[str, str], tuple[str, str]] = {}
    for row in said.to_dict("records"):  # oldest first
        if row["about"] in known:
            value, side = str(row["value"]), str(row["metadata"].get(_SIDE))
            if row["trace_id"] not in of_a:
                value = {"better": "worse", "worse": "better"}.get(value, value)
                side = "right" if side == "left" else "left"
            latest[row["about"], row["source_id"]] = (value, side)
    return [(pair, rater, value, side) for (pair, rater), (value, side) in latest.items()]


def _preferences(trace_ids: list[str], tracker: Tracker) -> pd.DataFrame:
    said = tracker.ratings(trace_ids)
    return said.loc[(said["name"] == PREFERENCE) & (said["source"] == "HUMAN")]
