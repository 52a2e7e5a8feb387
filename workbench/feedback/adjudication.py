"""What people's words make of each example: the output that should come out, or why it is left out."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from workbench.feedback.pair import answered
from workbench.feedback.rating import STARS_NAME, first_ratings
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import Word, words

if TYPE_CHECKING:
    from workbench.tracking import Trace
    from workbench.tracking.tracker import Tracker

GOOD_STARS = 4
"""Median rating from which on an output is good enough to be expected."""


@dataclass
class Said:
    """All that people said of the answers to one example."""

    traces: dict[str, Trace] = field(default_factory=dict)
    """The answers, by trace."""
    corrections: list[Mapping[Any, Any]] = field(default_factory=list)
    """Rows of corrections, oldest first."""
    votes: list[Word] = field(default_factory=list)
    """Votes on two of them."""
    ratings: list[Mapping[Any, Any]] = field(default_factory=list)
    """Rows of ratings by stars."""

    @property
    def silent(self) -> bool:
        """Whether nobody said anything."""
        return not (self.corrections or self.votes or self.ratings)


@dataclass(frozen=True)
class Ruling:
    """What is expected of one example, and on whose word."""

    expected: Any
    """The output that should come out."""
    by: str
    """`correction`, `vote` or `rating`."""
    raters: tuple[str, ...]
    """Who said so."""
    against: int
    """People who said otherwise."""
    said_at: datetime
    """When the last of them said so (UTC)."""
    trace_ids: tuple[str, ...]
    """The answers that they spoke of."""


def gather(run_ids: Sequence[str], *, tracker: Tracker) -> dict[str, Said]:
    """Return what was said of the runs' answers, by example, in the order of the runs' tables."""
    found: dict[str, Said] = defaultdict(Said)
    example_of: dict[str, str] = {}
    for run_id in run_ids:
        known = {trace: cell[0] for cell, (trace, _) in answered(run_id, tracker=tracker).items()}
        by_id = {trace.trace_id: trace for trace in tracker.traces(run_id)}
        for trace_id in known:
            if trace_id in by_id:
                found[known[trace_id]].traces[trace_id] = by_id[trace_id]
        example_of |= known
    corrections = tracker.corrections(list(example_of))
    for row in corrections[corrections["source"] == "HUMAN"].to_dict("records"):
        found[example_of[row["trace_id"]]].corrections.append(row)
    if len(run_ids) > 1:
        for word in words(run_ids, name=PREFERENCE, tracker=tracker):
            found[word.example_id].votes.append(word)
    for row in first_ratings(run_ids, name=STARS_NAME, tracker=tracker).to_dict("records"):
        found[example_of[row["trace_id"]]].ratings.append(row)
    return found


def rule(said: Said) -> Ruling | str:
    """Return what is expected, or why nothing can be.

    A correction counts before a vote, and a vote before stars: who writes the answer says most. Of several people the
    majority is followed; where there is none, the example is left out rather than decided by who came last.
    """
    if said.corrections:
        return _by_corrections(said.corrections)
    if said.votes:
        return _by_votes(said)
    return _by_ratings(said)


def _by_corrections(rows: Sequence[Mapping[Any, Any]]) -> Ruling | str:
    latest = {row["source_id"]: row for row in rows}  # one word of each person, though given on several answers
    counts = Counter(_key(row["value"]) for row in latest.values())
    best, most = counts.most_common(1)[0]
    if 2 * most <= len(latest):
        return f"{len(latest)} people corrected it in {len(counts)} ways"
    own = [row for row in latest.values() if _key(row["value"]) == best]
    return Ruling(
        own[-1]["value"], "correction", tuple(row["source_id"] for row in own), len(latest) - most,
        max(row["created_at"] for row in own).to_pydatetime(), tuple(dict.fromkeys(row["trace_id"] for row in own)),
    )  # fmt: skip


def _by_votes(said: Said) -> Ruling | str:
    """Return the output that beats every other one that it met, by a majority of the people who chose between them.

    Where most votes on it say that both answers are bad, it is none. A choice between two outputs that are the same
    says nothing of either.
    """
    key_of = {trace_id: _key(trace.outputs) for trace_id, trace in said.traces.items()}
    on = [(word, {key_of[word.trace_a], key_of[word.trace_b]}) for word in said.votes]
    met = {frozenset(keys) for _, keys in on if len(keys) > 1}
    chosen = [(word, *word.chosen) for word, keys in on if len(keys) > 1 and word.chosen is not None]
    wins = Counter((key_of[won], key_of[lost]) for _, won, lost in chosen)
    keys = set().union(*met)
    best = [one for one in keys if all(wins[one, two] > wins[two, one] for two in keys if frozenset((one, two)) in met)]
    about = [word for word, keys in on if len(best) != 1 or best[0] in keys]
    bad = [word.rater for word in about if word.value == "both_bad"]
    if 2 * len(bad) > len(about):
        return "both answers are bad"
    if len(best) != 1:
        return "no answer has a majority of the votes"
    own = tuple(trace_id for trace_id, key in key_of.items() if key == best[0])
    for_it = [word for word, won, _ in chosen if won in own]
    against = {*bad, *(word.rater for word, _, lost in chosen if lost in own)}
    return Ruling(
        said.traces[own[0]].outputs, "vote", tuple(dict.fromkeys(word.rater for word in for_it)),
        len(against), max(word.said_at for word in for_it), own,
    )  # fmt: skip


def _by_ratings(said: Said) -> Ruling | str:
    stars: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
    for row in said.ratings:
        if isinstance(row["value"], (int, float)) and not isinstance(row["value"], bool):
            stars[_key(said.traces[row["trace_id"]].outputs)].append(row)
    medians = {key: median(row["value"] for row in rows) for key, rows in stars.items()}
    top = max(medians.values(), default=0)
    best = [key for key, value in medians.items() if value == top]
    if top < GOOD_STARS:
        return f"no answer has a median of {GOOD_STARS} stars"
    if len(best) > 1:
        return "several answers are rated alike"
    rows = stars[best[0]]
    traces = tuple(dict.fromkeys(row["trace_id"] for row in rows))
    return Ruling(
        said.traces[traces[0]].outputs, "rating",
        tuple(dict.fromkeys(row["source_id"] for row in rows if row["value"] >= GOOD_STARS)),
        len({row["source_id"] for row in rows if row["value"] < GOOD_STARS}),
        max(row["created_at"] for row in rows).to_pydatetime(), traces,
    )  # fmt: skip


def _key(value: Any) -> str:
    """Return what makes two outputs the same: their text without the space around it."""
    return (
        value.strip() if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    )
