"""All votes on the answers of several runs, as statistics take them: one of each person on each pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

from workbench.feedback.pair import matched, pair_id
from workbench.feedback.vote import PREFERENCE, SIDE, second_look
from workbench.statistics import Vote

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

_TURNED = {"better": "worse", "worse": "better", "left": "right", "right": "left"}


@dataclass(frozen=True, slots=True)
class Word:
    """One person's vote on one pair of outputs."""

    run_a: str
    """The run that stands first in the question."""
    run_b: str
    """The other run."""
    trace_a: str
    """Its answer's trace."""
    trace_b: str
    """The other one's."""
    example_id: str
    """The example that both answered."""
    rater: str
    """Who voted."""
    value: str
    """`better`, `worse`, `tie` or `both_bad`, said of the first run's answer."""
    left: str
    """`a` or `b`: which one stood on the left."""
    said_at: datetime
    """When (UTC)."""
    why: str | None = None
    """The rater's words."""
    again: str | None = None
    """What the rater said when the pair was shown a second time."""

    @property
    def outcome(self) -> Any:
        """`a`, `b` or `tie`; that both are bad says nothing of which is better."""
        return {"better": "a", "worse": "b"}.get(self.value, "tie")

    @property
    def chosen(self) -> tuple[str, str] | None:
        """Trace of the answer that is better, and of the other one; None where neither is."""
        if self.outcome == "tie":
            return None
        return (self.trace_a, self.trace_b) if self.outcome == "a" else (self.trace_b, self.trace_a)


def words(run_ids: Sequence[str], *, name: str, tracker: Tracker) -> list[Word]:
    """Return the votes on two of these runs, oldest first; of a person's on a pair the latest of the first look."""
    meetings: dict[str, tuple[str, str, str, str, str]] = {}
    for run_a, run_b in combinations(dict.fromkeys(run_ids), 2):
        for example, trace_a, trace_b in matched(run_a, run_b, tracker=tracker)[0]:
            meetings[pair_id(trace_a, trace_b)] = (run_a, run_b, trace_a, trace_b, example)
    traces = dict.fromkeys(trace for meeting in meetings.values() for trace in meeting[2:4])
    said = tracker.ratings(list(traces))
    second = {second_look(pair): pair for pair in meetings}
    first_look: dict[tuple[str, str], tuple[str, str, datetime, str | None]] = {}
    second_looks: dict[tuple[str, str], str] = {}
    for row in said[(said["name"] == name) & (said["source"] == "HUMAN")].to_dict("records"):  # oldest first
        about, rater = row["about"], row["source_id"]
        pair = second.get(about, about)
        if pair not in meetings:
            continue
        value, side = str(row["value"]), str(row["metadata"].get(SIDE))
        if row["trace_id"] != meetings[pair][2]:  # what was said of the other answer
            value, side = _TURNED.get(value, value), _TURNED.get(side, side)
        if about in second:
            second_looks[pair, rater] = value
        else:
            first_look[pair, rater] = (value, side, row["created_at"].to_pydatetime(), row["rationale"])
    return [
        Word(*meetings[pair], rater, value, "a" if side == "left" else "b", at, why, second_looks.get((pair, rater)))
        for (pair, rater), (value, side, at, why) in first_look.items()
    ]


def candidate_names(run_ids: Sequence[str], *, tracker: Tracker) -> dict[str, str]:
    """Return the candidate's name of each run; runs of one name are told apart by their ids."""
    runs = [tracker.run(run_id) for run_id in dict.fromkeys(run_ids)]
    names = [run.tags.get("workbench.candidate", run.name) for run in runs]
    return {
        run.run_id: name if names.count(name) == 1 else f"{name} ({run.run_id[:8]})"
        for run, name in zip(runs, names, strict=True)
    }


def as_votes(found: Sequence[Word], names: dict[str, str]) -> list[Vote]:
    """Return the votes as statistics take them, under the candidates' names."""
    return [
        Vote(
            names[word.run_a], names[word.run_b], word.outcome, rater=word.rater,
            left="a" if word.left == "a" else "b", item=word.example_id,
        )
        for word in found
    ]  # fmt: skip


def votes(run_ids: Sequence[str], *, name: str = PREFERENCE, tracker: Tracker) -> list[Vote]:
    """Return the votes on these runs under the candidates' names, for `statistics.bradley_terry`."""
    return as_votes(words(run_ids, name=name, tracker=tracker), candidate_names(run_ids, tracker=tracker))
