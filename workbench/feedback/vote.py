"""Vote on blind pairs, and find those that are left. What the votes add up to is told by `tally` and `leaderboard`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback.pair import Pair, matched, pair_id, pairs, rater_seed

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
OPPONENT, SIDE = "workbench.opponent", "workbench.side"


def second_look(item_id: str) -> str:
    """Return what a vote is about that was given when the item was shown a second time."""
    return f"{item_id}/again"


def vote(
    pair: Pair,
    choice: Choice,
    rater: str,
    *,
    comment: str | None = None,
    name: str = PREFERENCE,
    showing: int = 1,
    tracker: Tracker | None = None,
) -> None:
    """Write a person's vote on both traces; voting again on the pair overrides, the same vote changes nothing.

    `name` tells what was asked, where it is another question than which one is better. A vote of the second `showing`
    stands beside that of the first.
    """
    *most, last = get_args(Choice)
    if choice not in (*most, last):
        raise InvalidInput(f"A vote is {', '.join(most)} or {last}, not {choice!r}.", param="choice")
    if pair.pair_id != pair_id(pair.left, pair.right):
        raise InvalidInput("The pair's id does not belong to its two traces.", param="pair")
    tracker = tracker or tracking.connect()
    for side, trace, opponent in (("left", pair.left, pair.right), ("right", pair.right, pair.left)):
        value = choice if choice in ("tie", "both_bad") else "better" if choice == side else "worse"
        tracker.rate(
            trace,
            name,
            value,
            source="HUMAN",
            source_id=rater,
            rationale=comment,
            about=pair.pair_id if showing == 1 else second_look(pair.pair_id),
            metadata={OPPONENT: opponent, SIDE: side},
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


def _open_pairs(rater: str, run_a: str, run_b: str, tracker: Tracker) -> Iterator[Pair]:
    mine = pairs(run_a, run_b, seed=rater_seed(rater, tracker=tracker), tracker=tracker)
    said = _preferences([trace for pair in mine for trace in (pair.left, pair.right)], tracker)
    counts = Counter(said.loc[said["source_id"] == rater, "about"])
    # A vote stands on both traces; where a crash left it on one, the pair is asked again and the vote made whole.
    return (pair for pair in mine if counts[pair.pair_id] < 2)


def _preferences(trace_ids: list[str], tracker: Tracker) -> pd.DataFrame:
    said = tracker.ratings(trace_ids)
    return said.loc[(said["name"] == PREFERENCE) & (said["source"] == "HUMAN")]
