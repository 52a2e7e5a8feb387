"""Calls of one key to one model that follow one another closely are let in by the block, not one by one.

A block is taken only in a gateway that is one process, and only while every limit and every budget leaves many times
as much; it lives for some hundredths of a second. Whoever takes the counters' lock finds all of them booked and given
back, as if each call had been counted by itself: so nothing is refused because of a block, and nothing counted twice.
Where several keys are busy at once, each ends the blocks of the others, and their calls are counted one by one.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from workbench.gateway.admission.block import LIFE, Block
from workbench.gateway.admission.convoy_ticket import ConvoyTicket
from workbench.gateway.admission.gauge import Gauge
from workbench.gateway.admission.measured import Measured, Sized, expected_tokens, measure

if TYPE_CHECKING:
    from workbench.gateway.admission.admission import Admission

CALLS = 32
"""Calls of a block, at most; and no more than half of those for which money is leased."""
CLOSE = 8
"""Calls within a block's life that make a convoy, and that a block must serve for another one to be taken."""
_AHEAD = 4
"""How many times as much money as for calls that come one by one is leased ahead."""
_MOST_CONVOYS = 1000


class Convoy:
    """Calls of one key to one model."""

    __slots__ = ("block", "model", "money", "provider", "runs", "seen", "since", "tokens")

    def __init__(self, model: str) -> None:
        self.model = model
        """The model that is asked for; empty where no model or provider is held to anything."""
        self.provider = ""
        """Who answers."""
        self.block: Block | None = None
        """What was taken last."""
        self.runs = False
        """Whether its calls follow one another closely."""
        self.seen = self.since = self.tokens = self.money = 0


class Convoys:
    """The convoys of one process, and what is to be booked of them."""

    def __init__(self, desk: Admission) -> None:
        self.desk = desk
        self._convoys: dict[tuple[str, str], Convoy] = {}
        self._listed: list[Block] = []

    # -- calls that are let in one by one ----------------------------------------------------------------------------

    def saw(self, key_id: str, model: str, provider: str, *, tokens: int, money: int) -> None:
        """Hear of a call that was covered at a provider: of the tokens expected of it, and the money that it holds."""
        now = monotonic_ns()
        convoy = self._convoys.get((key_id, model))
        if convoy is None:
            if len(self._convoys) >= _MOST_CONVOYS:
                self._convoys.clear()
            convoy = self._convoys[key_id, model] = Convoy(model)
        if convoy.provider != provider:
            convoy.runs, convoy.provider, convoy.since = False, provider, 0
        if now - convoy.since > LIFE:
            convoy.since, convoy.seen, convoy.tokens, convoy.money = now, 0, 0, 0
        convoy.seen += 1
        convoy.tokens, convoy.money = max(tokens, convoy.tokens), max(money, convoy.money)
        if convoy.seen >= CLOSE:
            convoy.runs = True

    # -- calls of a block --------------------------------------------------------------------------------------------

    def begin(
        self, key_id: str, gauges: tuple[Gauge, ...], model: str, question: Measured | Sized
    ) -> ConvoyTicket | None:
        """Let a call begin of a block; None: it must be counted by itself. `gauges` hold the key, wherever it asks."""
        convoy = self._convoys.get((key_id, model))
        if convoy is None or not convoy.runs:
            return None
        block, now = convoy.block, monotonic_ns()
        if block is None or not block.calls or now >= block.until:
            block = self._take(convoy, gauges)
            if block is None:
                return None
        most, expected = None, 0
        if convoy.tokens:
            asked = measure(question)
            most = asked.most
            expected = expected_tokens(asked, most)
            if expected > block.tokens:
                return None
            block.tokens -= expected
        block.calls -= 1
        block.last = max(block.last, now)
        return ConvoyTicket(self, convoy, block, key_id=key_id, question=question, most=most, expected=expected)

    def _take(self, convoy: Convoy, gauges: tuple[Gauge, ...]) -> Block | None:
        """Take a block of all that holds a convoy, if the last one was worth it and all have plenty."""
        last, convoy.block = convoy.block, None
        worth = last is None or last.taken >= CLOSE
        convoy.runs, convoy.seen = False, 0
        if not worth:
            return None
        place: tuple[Gauge, ...] = ()
        if self.desk.holds_places:
            place = self.desk.of_place(convoy.provider, None)
            gauges = (*gauges, *self.desk.of_model(convoy.model), *place)
        if not gauges:
            return None
        with self.desk.lock:
            now, need = monotonic_ns(), convoy.money
            calls = min(CALLS, *(gauge.leased(need) // 2 for gauge in gauges)) if need else CALLS
            tokens, money = calls * convoy.tokens, calls * need
            if calls < CLOSE or not all(
                gauge.has_plenty(now, calls=calls, tokens=tokens, money=money) for gauge in gauges
            ):
                return None
            block = Block(
                gauges, place, convoy.provider, now, calls=calls, tokens=tokens, money=money, need=_AHEAD * need
            )
        convoy.block, convoy.runs = block, True
        self._listed.append(block)
        return block

    def ended(self, block: Block) -> None:
        """Book what has ended of a block that was booked before, as soon as somebody takes the lock."""
        block.listed = True
        self._listed.append(block)

    def book(self) -> None:
        """Book all that has ended, and give back what no call took. The lock is being taken."""
        if not self._listed:
            return
        listed, self._listed = self._listed, []
        now = monotonic_ns()
        passed = [threshold for block in listed for threshold in block.book(now)]
        for terms, threshold in passed:
            self.desk.teller.threshold(terms, threshold)
