"""The votes of a review queue that stand in MLflow, as places of the work list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.feedback.vote import SIDE, second_look
from workbench.feedback.work_list import Place, new_ticket

if TYPE_CHECKING:
    from workbench.feedback.items import Item
    from workbench.feedback.review_queue import ReviewQueue
    from workbench.tracking.tracker import Tracker

AGAIN = 2
"""Number of an item's second showing."""


def standing(queue: ReviewQueue, items: Iterable[Item], *, tracker: Tracker) -> list[Place]:
    """Return a place for each person's word on an item, whoever asked for it."""
    by_question: dict[tuple[str, str | None], tuple[Item, int]] = {}
    for item in items:
        first, second = (None, "again") if item.second is None else (item.item_id, second_look(item.item_id))
        by_question[item.first, first] = (item, 1)
        by_question[item.first, second] = (item, AGAIN)
    said = tracker.ratings(list(dict.fromkeys(trace for trace, _ in by_question)))
    places = []
    for row in said[said["source"] == "HUMAN"].to_dict("records"):
        found = by_question.get((row["trace_id"], row["about"] or None))
        if found is None or row["name"] != queue.name:
            continue
        item, showing = found
        on_the_left = row["metadata"].get(SIDE) != "right"
        words = {"better": ("left", "right"), "worse": ("right", "left")}.get(str(row["value"]))
        word = str(row["value"]) if words is None else words[0 if on_the_left else 1]
        places.append(
            Place(
                queue=queue.queue_id,
                item=item.item_id,
                rater=row["source_id"],
                showing=showing,
                ticket=new_ticket(),
                matchup=item.matchup,
                first_left=on_the_left,
                held_until=0.0,
                word=word,
                said_at=row["created_at"].timestamp(),
                written=True,
            )
        )
    return places
