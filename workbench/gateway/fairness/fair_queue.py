"""A queue in which each flow gets its share: start-time fair queueing (Goyal, Vin and Cheng, 1996), counted in tokens.

Within a flow its members take turns, and each member's items go first in, first out. A flow that comes back after a
rest starts at the turn of the others: what it did not use is theirs, and it need not pay for having gone alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_MOST_RESTING = 1000
"""How many flows that wait for nothing are remembered."""


class _Flow(Generic[T]):
    __slots__ = ("cost", "count", "finish", "members", "start", "weight")

    def __init__(self) -> None:
        self.members: OrderedDict[str, OrderedDict[T, int]] = OrderedDict()
        self.count = self.cost = 0
        self.start = self.finish = 0.0
        self.weight = 1.0


class FairQueue(Generic[T]):
    """Items that wait, each in a flow. Every verb takes time by the number of flows, not of items."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Flow[T]] = {}
        self._resting: OrderedDict[str, _Flow[T]] = OrderedDict()
        self._turn = 0.0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def flows(self) -> Iterator[tuple[str, T]]:
        """Yield each flow that waits, with the item whose turn it is."""
        for name, flow in list(self._waiting.items()):
            yield name, _head(flow)

    def items(self, flow: str) -> list[T]:
        """Return all that waits in a flow."""
        waiting = self._waiting.get(flow)
        return [] if waiting is None else [item for items in waiting.members.values() for item in items]

    def count(self, flow: str) -> int:
        """Return how many items of a flow wait."""
        waiting = self._waiting.get(flow)
        return 0 if waiting is None else waiting.count

    def share(self, flow: str) -> float:
        """Return what part of all that is served now goes to a flow that waits, from 0 to 1."""
        waiting = self._waiting.get(flow)
        if waiting is None:
            return 0.0
        return waiting.weight / sum(other.weight for other in self._waiting.values())

    def cost(self, flow: str) -> int:
        """Return the cost of all that waits in a flow."""
        waiting = self._waiting.get(flow)
        return 0 if waiting is None else waiting.cost

    def weigh(self, flow: str, weight: float) -> None:
        """Give a flow that waits another weight, from its next item on."""
        if (waiting := self._waiting.get(flow)) is not None:
            waiting.weight = weight

    def push(self, item: T, *, flow: str, member: str = "", cost: int, weight: float) -> None:
        """Let an item wait; `cost` is in tokens, `weight` above 0 is its flow's."""
        into = self._waiting.get(flow)
        if into is None:
            into = self._resting.pop(flow) if flow in self._resting else _Flow()
            self._waiting[flow] = into
            into.start = max(self._turn, into.finish)
        into.weight = weight
        into.members.setdefault(member, OrderedDict())[item] = cost
        into.count += 1
        into.cost += cost
        self._count += 1

    def first(self) -> T | None:
        """Return the item whose turn it is; None where nothing waits."""
        if not self._waiting:
            return None
        return _head(min(self._waiting.values(), key=lambda flow: flow.start))

    def take(self, flow: str, item: T, *, member: str = "") -> None:
        """Take the item whose turn it is in a flow out of the queue, to be served."""
        served = self._waiting[flow]
        cost = self._drop(flow, item, member)
        self._turn = max(self._turn, served.start)
        served.finish = served.start = served.start + cost / served.weight
        if member in served.members:
            served.members.move_to_end(member)

    def remove(self, flow: str, item: T, *, member: str = "") -> None:
        """Take an item out that will not be served; its flow pays nothing for it."""
        self._drop(flow, item, member)

    def charge(self, flow: str, more: int) -> None:
        """Correct what a flow was served by: tokens more than the cost of its item, less than 0 for fewer."""
        known = self._waiting.get(flow) or self._resting.get(flow)
        if known is not None:
            known.finish = known.start = max(0.0, known.start + more / known.weight)

    def _drop(self, flow: str, item: T, member: str) -> int:
        known = self._waiting[flow]
        items = known.members[member]
        cost = items.pop(item)
        if not items:
            del known.members[member]
        known.count -= 1
        known.cost -= cost
        self._count -= 1
        if not known.count:
            known.finish = known.start
            self._rest(flow)
        return cost

    def _rest(self, flow: str) -> None:
        self._resting[flow] = self._waiting.pop(flow)
        if len(self._resting) > _MOST_RESTING:
            self._resting.popitem(last=False)


def _head(flow: _Flow[T]) -> T:
    items = next(iter(flow.members.values()))
    return next(iter(items))
