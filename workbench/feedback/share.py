"""Links by which colleagues rate: they open on the first pair at once, and tell nothing of the runs."""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback import review_queue
from workbench.feedback.items import items_of
from workbench.feedback.rater import local_rater
from workbench.feedback.rating import STARS_NAME
from workbench.feedback.review_queue import ReviewQueue
from workbench.feedback.vote import PREFERENCE
from workbench.services.record import read_up_record
from workbench.settings import Settings, load_settings

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

QUESTION = "Which answer is better?"
RATING_QUESTION = "How good is this answer?"
_WEEK = timedelta(days=7)
_LOCAL_APP = "http://127.0.0.1:8501"


@dataclass(frozen=True)
class Share:
    """Links to one review queue. They are told this once: MLflow keeps their hashes."""

    queue_id: str
    """The queue; `feedback.close_queue` ends its links."""
    url: str | None = field(repr=False)
    """The link for whoever has it; None where each rater has one of their own."""
    urls: Mapping[str, str] = field(repr=False)
    """The links of raters that were named."""
    question: str
    """What the page asks."""
    items: int
    """Pairs, or answers, to look at."""
    raters_per_item: int
    """Different people after whom an item is done."""
    expires_at: datetime | None
    """When the links end (UTC)."""

    def __str__(self) -> str:
        links = self.url or "\n".join(f"{rater}: {url}" for rater, url in self.urls.items())
        until = f"until {self.expires_at:%d %b %Y %H:%M} UTC" if self.expires_at else "for good"
        asked = f"{self.question} {self.items} items, {self.raters_per_item} raters each, {until}."
        return f"{links}\n{asked} Queue {self.queue_id}."

    def _repr_html_(self) -> str:
        named = [("", self.url)] if self.url else list(self.urls.items())
        links = "".join(
            f'<li>{html.escape(rater)} <a href="{html.escape(url, quote=True)}">{html.escape(url)}</a></li>'
            for rater, url in named
            if url
        )
        return f"<p>{html.escape(str(self).splitlines()[-1])}</p><ul>{links}</ul>"


def share(
    run_ids: Sequence[str],
    *,
    question: str | None = None,
    raters: int | Sequence[str] = 3,
    raters_per_item: int | None = None,
    expires: timedelta | None = _WEEK,
    name: str | None = None,
    again: float = 0.15,
    limit: int | None = None,
    app_url: str | None = None,
    settings: Settings | None = None,
    tracker: Tracker | None = None,
) -> Share:
    """Make a link by which colleagues compare the answers of several runs blind, or rate those of one run.

    `raters` is how many different people look at each item, or the names of those who are asked: each then gets a link
    of their own, and all of them look at each item unless `raters_per_item` says otherwise. `expires` is how long the
    links hold (None: until `close_queue`). `name` is the assessment's name in MLflow (default: `preference`, or `stars`
    for one run); another question about the same answers needs another name. `again` is the share of a rater's items
    that are shown twice, sides swapped, to see whether the rater agrees with themselves. `limit` is the largest
    number of items. `app_url` is where colleagues reach the app (default: `[app] url`, else where `workbench up` runs
    it). Raises InvalidInput where the runs give nothing to look at, NotFound.
    """
    tracker = tracker or tracking.connect()
    settings = settings or load_settings(credentials=False)
    runs = tuple(dict.fromkeys(run_ids))
    if isinstance(raters, str):
        raters = [raters]
    named = [] if isinstance(raters, int) else list(dict.fromkeys(rater.strip() for rater in raters))
    per_item = raters_per_item if raters_per_item is not None else raters if isinstance(raters, int) else len(named)
    _check(runs, named, raters, per_item=per_item, again=again, limit=limit)
    pairs = len(runs) > 1
    until = None if expires is None else datetime.now(UTC) + expires
    wish = ReviewQueue(
        run_ids=runs,
        kind="pairs" if pairs else "answers",
        question=(question or (QUESTION if pairs else RATING_QUESTION)).strip(),
        name=name or (PREFERENCE if pairs else STARS_NAME),
        raters_per_item=per_item,
        again=again,
        limit=limit,
        seed=secrets.token_hex(16),
        created_by=local_rater(),
        created_at=datetime.now(UTC).isoformat(),
        expires_at=until.isoformat() if until else None,
    )
    _check_question(wish, tracker)
    items = items_of(wish, tracker=tracker)
    if not items:
        raise InvalidInput(
            "There is nothing to look at: no two runs answered the same example differently."
            if pairs
            else "There is nothing to look at: no answer of the run has a trace.",
            param="run_ids",
        )
    queue, tokens = review_queue.create(wish, named or [None], tracker=tracker)
    place = (app_url or _app_url(settings)).rstrip("/")
    links = [f"{place}/vote?t={token}" for token in tokens]
    return Share(
        queue_id=queue.queue_id,
        url=None if named else links[0],
        urls=dict(zip(named, links, strict=True)) if named else {},
        question=queue.question,
        items=len(items),
        raters_per_item=per_item,
        expires_at=until,
    )


def _check(
    runs: Sequence[str],
    named: Sequence[str],
    raters: int | Sequence[str],
    *,
    per_item: int,
    again: float,
    limit: int | None,
) -> None:
    if not runs:
        raise InvalidInput("No run is named.", param="run_ids")
    if not isinstance(raters, int) and (not named or not all(named)):
        raise InvalidInput("Raters need names.", hint="Pass their names, or how many there are.", param="raters")
    if per_item < 1:
        raise InvalidInput("At least one person must look at an item.", param="raters")
    if named and per_item > len(named):
        raise InvalidInput(
            f"{per_item} different people can't look at each item: {len(named)} are named.", param="raters_per_item"
        )
    if limit is not None and limit < 1:
        raise InvalidInput(f"`limit` is the largest number of items, not {limit!r}.", param="limit")
    if not 0 <= again <= 1:
        raise InvalidInput(f"`again` is a share between 0 and 1, not {again!r}.", param="again")


def _check_question(wish: ReviewQueue, tracker: Tracker) -> None:
    """Refuse to write what is said to one question under the name of another: nobody could tell them apart after."""
    for other in review_queue.all_queues(tracker=tracker):
        shared = len(set(wish.run_ids).intersection(other.run_ids))
        same_answers = shared >= min(2, len(wish.run_ids), len(other.run_ids))
        if other.name == wish.name and other.question != wish.question and same_answers:
            raise InvalidInput(
                f"Under the name {wish.name!r} it was asked of these runs: {other.question}",
                hint="Pass name= (`--name`) for another question, and again to read what is said; or ask the same one.",
                param="name",
            )


def _app_url(settings: Settings) -> str:
    if settings.app.url:
        return settings.app.url
    up = read_up_record(settings.home)
    return (up.services.get("app") if up else None) or _LOCAL_APP


def queues(*, tracker: Tracker | None = None) -> list[ReviewQueue]:
    """Return all review queues, newest first."""
    return review_queue.all_queues(tracker=tracker or tracking.connect())


def close_queue(queue_id: str, *, tracker: Tracker | None = None) -> None:
    """End a queue's links: it takes no more votes, and those that were given stay. Raises NotFound."""
    review_queue.close(queue_id, tracker=tracker or tracking.connect())
