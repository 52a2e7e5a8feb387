"""The items of a review queue: every pair of outputs, or every answer, that its raters look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, zip_longest
from typing import TYPE_CHECKING

from workbench.feedback.pair import answered, matched, pair_id

if TYPE_CHECKING:
    from workbench.feedback.review_queue import ReviewQueue
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Item:
    """What is looked at once by each rater. It stays on the server: its traces tell whose they are."""

    item_id: str
    """The pair's id, or the trace of the one answer."""
    example_id: str
    """The example that is answered."""
    first: str
    """Trace of the answer of the run that stands first in the queue."""
    second: str | None = None
    """Trace of the other one; None where one answer is rated."""
    matchup: str = ""
    """Which two runs meet: sides are balanced within it."""


def items_of(queue: ReviewQueue, *, tracker: Tracker) -> tuple[Item, ...]:
    """Return the items in an order of the queue's own; the tables of a run are written once, so they stay the same."""
    return _items(queue.run_ids, queue.limit, queue.seed, tracker)


def draw(*words: str) -> bytes:
    """Return bytes that nobody can guess who does not know the seed among the words."""
    return hashlib.sha256("\x1f".join(words).encode()).digest()


@lru_cache(maxsize=32)
def _items(run_ids: tuple[str, ...], limit: int | None, seed: str, tracker: Tracker) -> tuple[Item, ...]:
    matchups = [sorted(found, key=lambda each: draw(seed, each.item_id)) for found in _by_matchup(run_ids, tracker)]
    # Turn by turn, so that a queue that is cut short has as many pairs of any two runs as of any others.
    return tuple(item for turn in zip_longest(*matchups) for item in turn if item is not None)[:limit]


def _by_matchup(run_ids: tuple[str, ...], tracker: Tracker) -> Iterator[list[Item]]:
    if len(run_ids) == 1:
        found = answered(run_ids[0], tracker=tracker)
        yield [Item(trace, str(example), trace) for (example, _), (trace, _) in found.items()]
        return
    for one, other in combinations(run_ids, 2):
        cells, _ = matched(one, other, tracker=tracker)
        yield [
            Item(pair_id(first, second), example, first, second, f"{one}|{other}") for example, first, second in cells
        ]
