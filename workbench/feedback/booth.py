"""The booth of a review queue: hands each rater the next ballot, takes each vote once, and brings it into MLflow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.errors import InvalidInput, NotFound, PermissionDenied
from workbench.feedback import review_queue
from workbench.feedback.answer import Answer, answer
from workbench.feedback.ballot import Ballot, Progress
from workbench.feedback.correction import correct
from workbench.feedback.items import Item, draw, items_of
from workbench.feedback.pair import Pair
from workbench.feedback.rating import STARS, rate
from workbench.feedback.standing import AGAIN, standing
from workbench.feedback.vote import CHOICES, vote
from workbench.feedback.work_list import Place, WorkList, new_ticket, work_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.feedback.review_queue import ReviewQueue
    from workbench.tracking.tracker import Tracker

HELD_SECONDS = 900.0
"""How long a place at an item is held for who looks at it."""
_APART = 3
"""Items between the two showings of one item to one rater."""
_WORDS = {"pairs": tuple(choice for choice, _ in CHOICES), "answers": tuple(str(star) for star in STARS)}


class Booth:
    """One review queue, for all of its raters. Safe to share between threads; other processes stand beside it."""

    def __init__(
        self, queue: ReviewQueue, *, tracker: Tracker | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.queue = queue
        self._tracker = tracker or tracking.connect()
        self._clock = clock
        self._list: WorkList = work_list(self._tracker.home)
        self._items = {item.item_id: item for item in items_of(queue, tracker=self._tracker)}
        self._writing: set[str] = set()
        self._turn = threading.Condition()
        self.sync()

    def sync(self) -> None:
        """Bring into MLflow what a crash left behind, and learn of votes that were given elsewhere."""
        for place in self._list.unwritten(self.queue.queue_id):
            self._write(place)
        self._list.learn(standing(self.queue, self._items.values(), tracker=self._tracker))

    def next(self, rater: str) -> Ballot | None:
        """Return what this rater is to judge next, or None; asked again before the vote, it is the same.

        An item goes to no more people than the queue asks for: a place is held for a quarter of an hour, and given to
        somebody else after. Raises PermissionDenied once the queue has ended.
        """
        self._still_open()
        now = self._clock()
        with self._list.transaction():
            place = self._place(rater, now)
        if place is None:
            return None
        item = self._items[place.item]
        shown = tuple(_shown(trace, self._tracker) for trace in _sides(item, place))
        return Ballot(place.ticket, self.queue.kind, self.queue.question, shown)

    def cast(
        self, ticket: str, word: str, rater: str, *, comment: str | None = None, correction: str | None = None
    ) -> bool:
        """Take a rater's word on a ballot and return whether it was the first: pressed twice, the first press stands.

        `word` is left, tie, both_bad or right, or 1 to 5 where one answer is rated; `correction` is what that answer
        should have been. When this returns MLflow has it. The vote is durable before MLflow is asked: what breaks off
        in between is written with the next `sync`. Raises InvalidInput, NotFound for an unknown ticket,
        PermissionDenied for another rater's and once the queue has ended.
        """
        if word not in _WORDS[self.queue.kind]:
            raise InvalidInput(f"A vote is {', '.join(_WORDS[self.queue.kind])}, not {word!r}.", param="word")
        place = self._list.by_ticket(ticket)
        if place is None or place.queue != self.queue.queue_id:
            raise NotFound("This page is out of date.", hint="Load it again: every vote that was taken stands.")
        if place.rater != rater:
            raise PermissionDenied("This ballot is another rater's.")
        if place.word is None:
            self._still_open()
        first = self._list.say(ticket, word, comment or None, correction or None, now=self._clock())
        said = self._list.by_ticket(ticket)
        if said is not None and not said.written:
            self._write(said)
        return first

    def progress(self, rater: str) -> Progress:
        """Return how many items this rater has judged, and how many still need this rater."""
        mine = self._list.of_rater(self.queue.queue_id, rater)
        done = {place.item for place in mine if place.word is not None}
        taken = self._list.taken(self.queue.queue_id, now=self._clock(), but=rater)
        return Progress(len(done), sum(1 for item in self._items.values() if self._needs(item, done, taken)))

    def finished(self) -> tuple[int, int]:
        """Return how many items have all the raters that they need, and how many items there are."""
        held = self._list.taken(self.queue.queue_id, now=float("inf"))  # nothing is held for ever: only votes count
        return sum(held.get(item, 0) >= self.queue.raters_per_item for item in self._items), len(self._items)

    # -- who looks at what; within a transaction

    def _place(self, rater: str, now: float) -> Place | None:
        mine = self._list.of_rater(self.queue.queue_id, rater)
        taken = self._list.taken(self.queue.queue_id, now=now, but=rater)
        for held in (place for place in mine if place.word is None):
            if held.showing > 1 or self._needs(self._items[held.item], (), taken):
                self._list.hold(held.ticket, now + HELD_SECONDS)
                return held
            self._list.give_up(held.ticket)  # it was held too long, and others have it now
        done = [place for place in mine if place.word is not None]
        place = self._again(done, rater, now) or self._first(done, taken, rater, now)
        if place is not None:
            self._list.take(place)
        return place

    def _again(self, done: list[Place], rater: str, now: float) -> Place | None:
        """Return an item to be shown a second time, where one is due: the sides are the other way round."""
        first, second = ([place for place in done if place.showing == showing] for showing in (1, 2))
        if len(second) >= int(len(first) * self.queue.again + 1e-9):
            return None
        seen = {place.item for place in second}
        rest = [place for place in first[:-_APART] if place.item not in seen]
        if not rest:
            return None
        one = min(rest, key=lambda place: draw(self.queue.seed, "again", rater, place.item))
        return replace(
            one, showing=AGAIN, ticket=new_ticket(), first_left=not one.first_left, held_until=now + HELD_SECONDS,
            word=None, comment=None, correction=None, said_at=None, written=False,
        )  # fmt: skip

    def _first(self, done: list[Place], taken: dict[str, int], rater: str, now: float) -> Place | None:
        seen = {place.item for place in done}
        rest = [item for item in self._items.values() if self._needs(item, seen, taken)]
        if not rest:
            return None
        item = min(rest, key=lambda each: draw(self.queue.seed, "order", rater, each.item_id))
        return Place(
            queue=self.queue.queue_id,
            item=item.item_id,
            rater=rater,
            showing=1,
            ticket=new_ticket(),
            matchup=item.matchup,
            first_left=self._first_left(item, done, rater),
            held_until=now + HELD_SECONDS,
        )

    def _first_left(self, item: Item, done: list[Place], rater: str) -> bool:
        """Return the side: as often left as right for this rater and these two runs; by chance where it is even."""
        lefts = [place.first_left for place in done if place.showing == 1 and place.matchup == item.matchup]
        ahead = 2 * sum(lefts) - len(lefts)
        return draw(self.queue.seed, "side", rater, item.item_id)[0] % 2 == 0 if ahead == 0 else ahead < 0

    def _needs(self, item: Item, done: object, taken: dict[str, int]) -> bool:
        assert isinstance(done, (set, tuple))
        return taken.get(item.item_id, 0) < self.queue.raters_per_item and item.item_id not in done

    # -- what was said

    def _write(self, place: Place) -> None:
        item = self._items.get(place.item)
        if item is None or place.word is None:
            return
        with self._alone(place.ticket):
            if item.second is None:
                self._write_rating(place, item)
            else:
                pair = Pair(item.item_id, item.example_id, *_sides(item, place))
                choice: Any = place.word  # `cast` looked at it
                vote(
                    pair, choice, place.rater, comment=place.comment, name=self.queue.name,
                    showing=place.showing, tracker=self._tracker,
                )  # fmt: skip
            self._list.written(place.ticket)

    def _write_rating(self, place: Place, item: Item) -> None:
        rate(
            item.first, int(place.word or 0), rater=place.rater, name=self.queue.name, comment=place.comment,
            showing=place.showing, tracker=self._tracker,
        )  # fmt: skip
        if place.correction:
            correct(item.first, place.correction, rater=place.rater, tracker=self._tracker)

    @contextmanager
    def _alone(self, ticket: str) -> Iterator[None]:
        """Let two presses of one button wait for one another."""
        with self._turn:
            self._turn.wait_for(lambda: ticket not in self._writing)
            self._writing.add(ticket)
        try:
            yield
        finally:
            with self._turn:
                self._writing.discard(ticket)
                self._turn.notify_all()

    def _still_open(self) -> None:
        if self.queue.ended:
            raise PermissionDenied("This link has ended.", hint="Ask who sent it for another one.", code="link_expired")


def open_link(token: str, *, tracker: Tracker | None = None) -> tuple[Booth, str | None]:
    """Return the booth that a link leads to, and whom the link is for; None: whoever has it.

    Raises NotFound for a link that leads nowhere, PermissionDenied once it has ended.
    """
    tracker = tracker or tracking.connect()
    queue, rater = review_queue.by_token(token, tracker=tracker)
    return Booth(queue, tracker=tracker), rater


def open_queue(queue_id: str, *, tracker: Tracker | None = None) -> Booth:
    """Return the booth of a queue; raises NotFound."""
    tracker = tracker or tracking.connect()
    return Booth(review_queue.by_id(queue_id, tracker=tracker), tracker=tracker)


@lru_cache(maxsize=128)
def _shown(trace_id: str, tracker: Tracker) -> Answer:
    """Return what is shown of a trace; it was finished before anybody shared it."""
    return answer(trace_id, tracker=tracker)


def _sides(item: Item, place: Place) -> tuple[str, ...]:
    if item.second is None:
        return (item.first,)
    return (item.first, item.second) if place.first_left else (item.second, item.first)
