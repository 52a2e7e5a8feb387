"""What one call holds of the limits and the money of all its subjects, from its admission to its settlement.

Each step is one for all of them: it is counted of every subject, or of none.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, TypeVar, cast

from workbench.errors import BilledLater, BudgetExhausted, LimitExceeded, PriceUnknown
from workbench.gateway.admission.gauge import Gauge, is_stopped, too_much
from workbench.gateway.admission.measured import BySize, Measured, Sized, expected_tokens, later, measure, uses_nothing
from workbench.gateway.admission.purse import Threshold, at_most, dollars, picodollars
from workbench.gateway.admission.rate_headers import Header, rate_headers
from workbench.gateway.admission.subject import Terms
from workbench.gateway.admission.worst import worst
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.routing.models import Deployment
from workbench.wire.usage import Usage

if TYPE_CHECKING:
    from workbench.gateway.admission.admission import Admission
    from workbench.gateway.admission.later import Later

_LEAST_OUTPUT = 4
"""Output tokens below which an answer is not worth its prompt."""
_Q = TypeVar("_Q", bound=Measured | Sized)


class Ticket:
    """The ticket of a call that is held to nothing: it lets everything pass."""

    __slots__ = ()

    elsewhere = False
    """Whether it was the provider, or the model that stands in, which took no more, so that another one may."""
    instead: str | None = None
    """The model that policy sends the call to, since the budget does not reach for the one that was asked for."""

    def cover(self, question: _Q, deployment: Deployment, known: Entry, *, model: str | None = None) -> _Q:
        """Hold what a question may cost at a deployment, at worst, before it is sent there on behalf of a model.

        Returns the question, with an output limit where the budget buys no more. Raises LimitExceeded where the
        provider or the model takes no more, BudgetExhausted, PriceUnknown.
        """
        return question

    def turn_to(self, model: str) -> None:
        """Go on as a call of another model; raises LimitExceeded."""

    def headers(self) -> list[Header]:
        """Return the `x-ratelimit-*` headers."""
        return []

    def keep_up(self, cost_usd: float) -> None:
        """Hold what a conversation has cost so far, beside what was held for one answer; raises BudgetExhausted."""

    def settle(self, *, cost_usd: float, tokens: int) -> bool:
        """Book what the call used in the place of what was held, once; return whether the key was stopped for it."""
        return False

    def release(self) -> None:
        """Give everything back; nothing if the call was settled."""
        self.settle(cost_usd=0.0, tokens=0)


FREE = Ticket()


class _Part:
    """One subject's part of a ticket."""

    __slots__ = ("gauge", "held", "since")

    def __init__(self, gauge: Gauge, since: int, held: int = 0) -> None:
        self.gauge = gauge
        self.since = since
        self.held = held


class HeldTicket(Ticket):
    """The ticket of a call of which some subject has limits or a budget."""

    __slots__ = (
        "_ahead", "_amount", "_at", "_covered", "_desk", "_expected", "_full", "_key_id", "_model", "_most", "_open",
        "_parts", "_place", "_question", "elsewhere", "instead",
    )  # fmt: skip

    def __init__(
        self, desk: Admission, gauges: Sequence[Gauge], question: Measured | Sized, *, key_id: str, model: str = ""
    ) -> None:
        """Count a call that begins of all its subjects; raises LimitExceeded, and then it is counted of none."""
        self._desk = desk
        self._key_id = key_id
        self._model = model
        self._question: Measured | Sized | None = None
        self._expected = 0
        if desk.holds_places or any(gauge.counts_tokens for gauge in gauges):
            self._expected = expected_tokens(measure(question), self._most_of(question))
        self._parts: list[_Part] = []
        self._place: tuple[Gauge, ...] = ()  # where the question is to go
        self._at: tuple[Gauge, ...] = ()  # where it went last: it may have been charged there
        self._full: tuple[Gauge, ...] = ()
        self._amount = 0
        self._ahead: int | None = None
        self._covered = self._open = self.elsewhere = False
        self.instead = None
        self._enter(gauges)
        self._open = True

    @classmethod
    def of_convoy(
        cls, desk: Admission, gauges: Sequence[Gauge], place: tuple[Gauge, ...], *, key_id: str, model: str,
        since: int, expected: int, held: int, covered: bool, is_open: bool,
    ) -> HeldTicket:  # fmt: skip
        """Return the ticket of a call that is counted of some gauges since a time, each of which holds money for it.

        `place` are those of the provider that it goes to, or went to last.
        """
        ticket = cls(desk, (), BySize(Usage()), key_id=key_id, model=model)
        ticket._parts = [_Part(gauge, since, held) for gauge in gauges]
        ticket._place = ticket._at = place
        ticket._expected, ticket._amount, ticket._covered, ticket._open = expected, held, covered, is_open
        return ticket

    def _most_of(self, question: Measured | Sized) -> Usage:
        """Return the most that a question can use; it takes a while to tell, and is asked more than once."""
        if self._question is not question:
            self._most = measure(question).most
            self._question = question
        return self._most

    def _enter(self, gauges: Sequence[Gauge], leaving: Collection[Gauge] = ()) -> None:
        """Leave some gauges and enter others in one step; raises LimitExceeded, with nothing entered.

        Raises LeaseShort, too, with nothing changed.
        """
        now, tokens = monotonic_ns(), self._expected
        shadowed: dict[Gauge, tuple[str, bool]] = {}
        with self._desk.lock:
            refusal = self._refusal(gauges, now, shadowed)
            self._leave(leaving, now)
            if refusal is None:
                for gauge in gauges:
                    if gauge not in shadowed:
                        gauge.enter(now, tokens)
                        self._parts.append(_Part(gauge, now))
        for gauge, (limit, first) in shadowed.items():
            if first:
                self._desk.teller.shadow(gauge.terms, limit)
        if refusal is not None:
            raise refusal

    def _refusal(
        self, gauges: Sequence[Gauge], now: int, shadowed: dict[Gauge, tuple[str, bool]]
    ) -> LimitExceeded | None:
        """Return why the gauges may not be entered; those that would refuse in shadow mode are noted. Locked."""
        expected = self._expected
        for gauge in gauges:
            lack = gauge.lack(now, expected)
            if lack is None and not gauge.stopped:
                continue
            if lack is not None and gauge.terms.shadow:
                shadowed[gauge] = lack.limit, gauge.cast_shadow()
            else:
                return is_stopped(gauge.terms) if gauge.stopped or lack is None else too_much(gauge.terms, lack)
        return None

    def _leave(self, gauges: Collection[Gauge], now: int) -> None:
        """Leave gauges at which nothing was used. The lock is held."""
        if not gauges:
            return
        for part in [part for part in self._parts if part.gauge in gauges]:
            self._parts.remove(part)
            part.gauge.leave(began=part.since, now=now, expected=self._expected, used=0, held=part.held, spent=0)

    def _holds(self, gauge: Gauge) -> bool:
        return any(part.gauge is gauge for part in self._parts)

    def _go_to(self, provider: str, model: str | None) -> None:
        """Be counted of a provider, and of the model that answers where it is not the one that was asked for.

        What the question may have cost where it was before stays held there, until it is covered at its new place.
        """
        place = self._desk.of_place(provider, model if model != self._model else None)
        if place == self._place:
            return
        self._stay()
        entering = [gauge for gauge in place if not self._holds(gauge)]
        try:
            self._enter(entering)
        except LimitExceeded:
            self.elsewhere, self._full = True, tuple(entering)
            raise
        self._place = place

    def _arrive(self) -> None:
        """Leave the place before: the question goes to the new one."""
        if self._at != self._place:
            self._depart(self._at, to=self._place)
            self._at = self._place

    def _stay(self) -> None:
        """Leave the place that the question could not go to: what it cost is told of the one before."""
        if self._at != self._place:
            self._depart(self._place, to=self._at)
            self._place = self._at

    def _depart(self, place: Sequence[Gauge], *, to: Sequence[Gauge]) -> None:
        left = [gauge for gauge in place if gauge not in to]
        if left:
            with self._desk.lock:
                self._leave(left, monotonic_ns())

    def turn_to(self, model: str) -> None:
        """Go on as a call of another model."""
        old, new = self._desk.of_model(self._model), self._desk.of_model(model)
        leaving = {*old, *self._place} - {*new}
        try:
            self._enter([gauge for gauge in new if not self._holds(gauge)], leaving)
        except LimitExceeded:
            self._place = self._at = ()
            raise
        self._model, self.instead = model, None
        self._place = self._at = ()

    def cover(self, question: _Q, deployment: Deployment, known: Entry, *, model: str | None = None) -> _Q:
        """Hold what a question may cost at a deployment; what was held for one before it counts."""
        self.elsewhere, self._full = False, ()
        if not self._desk.holds_places:
            covered = self._cover(question, deployment, known)
            self._seen(deployment.provider)
            return covered
        self._go_to(deployment.provider, model)
        try:
            covered = self._cover(question, deployment, known)
        except (LimitExceeded, PriceUnknown):
            if self._at:
                self._full = self._place
                self._stay()
            raise
        self._arrive()
        if model is None or model == self._model:
            self._seen(deployment.provider)
        return covered

    def _seen(self, provider: str) -> None:
        """Let convoys know of the call, which may be one of many."""
        if self._desk.convoys is not None:
            self._desk.convoys.saw(self._key_id, self._model, provider, tokens=self._expected, money=self._amount)

    def _cover(self, question: _Q, deployment: Deployment, known: Entry) -> _Q:
        bounded = [part.gauge for part in self._parts if part.gauge.purse.caps]
        if not bounded or uses_nothing(question):
            return question
        binding = next((gauge for gauge in bounded if not gauge.terms.shadow), None)
        rate = known.rate
        work = later(question)
        if work is not None:  # whatever a pattern of prices says of the place: it is no model
            if binding is not None:
                self._hold_for(work, binding.terms)
            return question
        if rate is None:
            if binding is None:
                return question
            raise PriceUnknown(
                f"Nobody knows what {deployment.label!r} costs, and {binding.terms.subject.lower()} has a budget.",
                hint="The admin must give the model a price: [models.price].",
            )
        self._covered = binding is not None
        asked = measure(question)
        most = worst(asked, self._most_of(question), known, rate)
        if self._hold(most.usd):
            return question
        most = most.closer(asked, rate)
        if self._hold(most.usd):
            return question
        prompt, token, limit = most
        least = min(_LEAST_OUTPUT, limit)
        tokens = int((self._room() - prompt) / token) if token else 0
        if tokens >= least:
            limited = asked.with_output_limit(tokens)
            if limited is not None and self._hold(prompt + tokens * token):
                return cast("_Q", limited)
            least = limit
        raise self._exhausted(prompt + least * token, may_wait=True)

    def _hold_for(self, work: Later, terms: Terms) -> None:
        """Hold what work may cost that is billed when it has ended."""
        if self._desk.bounds_models:
            raise BilledLater(
                f"{terms.subject} has a budget, and so have models here, of which nothing can be kept for a batch.",
                hint="Use a key that no budget binds, or send the calls one by one.",
            )
        if work.most_usd is None:
            raise BilledLater(
                f"{terms.subject} has a budget, and what this may cost is not known before it ends: {work.unknown}",
                hint=work.hint,
            )
        if not self._hold(work.most_usd):
            raise self._exhausted(work.most_usd, may_wait=True)
        work.keeping = self._keep

    async def _keep(self, due_id: str) -> None:
        """Keep what is held for a thing that has begun; the ticket holds it no more."""
        held = {part.gauge: part.held for part in self._parts if part.held}
        if held and await self._desk.deposit(due_id, held):
            for part in self._parts:
                part.held = 0
            self._amount = 0

    def keep_up(self, cost_usd: float) -> None:
        """Hold what a conversation has cost so far, beside what was held for one answer."""
        if not self._covered:
            return
        if self._ahead is None:
            self._ahead = self._amount
        cost = cost_usd + dollars(self._ahead)
        if not self._hold(cost):
            raise self._exhausted(cost, may_wait=False)

    def settle(self, *, cost_usd: float, tokens: int) -> bool:
        """Book what the call used."""
        if not self._open:
            return False
        self._open = False
        spent, now = picodollars(cost_usd), monotonic_ns()
        overrun = self._covered and spent > self._amount
        passed: list[tuple[Terms, Threshold]] = []
        with self._desk.lock:
            for part in self._parts:
                gauge, terms = part.gauge, part.gauge.terms
                gauge.leave(
                    began=part.since, now=now, expected=self._expected, used=tokens, held=part.held, spent=spent
                )  # fmt: skip
                if overrun and terms.subject.kind == "key" and terms.rule is None:
                    gauge.stop()
                if spent and gauge.purse.nears_a_threshold and gauge.binds_money:
                    passed += [(terms, threshold) for threshold in gauge.purse.warnings()]
        for terms, threshold in passed:
            self._desk.teller.threshold(terms, threshold)
        if overrun:
            self._desk.teller.overrun(self._key_id, cost_usd=cost_usd, held_usd=dollars(self._amount))
        return overrun

    def headers(self) -> list[Header]:
        """Return how the tightest limits stand."""
        gauges = [*(part.gauge for part in self._parts), *self._full]
        return rate_headers(gauges, self._desk.lock, monotonic_ns())

    def _hold(self, usd: float) -> bool:
        """Hold so much of every subject's money; return whether all budgets reach for it, else none is changed."""
        amount = at_most(usd)
        told: list[tuple[Terms, bool]] = []
        with self._desk.lock:
            lacking = [part for part in self._parts if not part.gauge.reaches(amount - part.held)]
            if lacking:
                if any(not part.gauge.terms.shadow for part in lacking):
                    return False
                told = [(part.gauge.terms, part.gauge.cast_shadow()) for part in lacking]
                self._leave([part.gauge for part in lacking], monotonic_ns())
            for part in self._parts:
                if amount > part.held:
                    part.gauge.hold(amount - part.held)
                    part.held = amount
        self._amount = max(self._amount, amount)
        for terms, first in told:
            if first:
                self._desk.teller.shadow(terms, "budget")
        return True

    def _room(self) -> float:
        """Return what may be held for the call by the tightest budget, in US dollars."""
        return dollars(min(room for _, room, _ in self._rooms()))

    def _rooms(self) -> list[tuple[Gauge, int, int]]:
        """Return each budget that binds, what may be held of it for the call, and what could be without others."""
        rooms = []
        with self._desk.lock:
            for part in self._parts:
                if part.gauge.binds_money:
                    room, left = part.gauge.room()
                    rooms.append((part.gauge, room + part.held, left + part.held))
        return rooms

    def _exhausted(self, least: float, *, may_wait: bool) -> BudgetExhausted:
        rooms = self._rooms()
        gauge, room, _ = min(rooms, key=lambda one: one[1])
        reach = min(left for _, _, left in rooms)
        terms, kept = gauge.terms, gauge.purse.deposited
        self.elsewhere = gauge in self._place
        if may_wait and dollars(room) < least <= dollars(reach):
            return BudgetExhausted(
                f"What {terms.subject.lower()} has left is held for its calls on their way.",
                hint="Send it again when they have ended, or send fewer at once.",
                retry_after=1,
            )
        with self._desk.lock:
            warned = list(gauge.purse.warnings(refused=True))
            opens_in = gauge.purse.opens_in(picodollars(least), time.time())
        for passed in warned:
            self._desk.teller.threshold(terms, passed)
        self.instead = terms.when_exhausted
        beside = f" beside {dollars(kept):.6f} USD that are kept for batches on their way" if kept else ""
        return BudgetExhausted(
            f"The budget of {terms.subject.lower()} does not reach for this call, which may cost {least:.6f} USD"
            f"{beside}.",
            hint=f"`/me` tells what is left; {terms.remedy('the budget')}, for a time with `workbench budget raise`.",
            retry_after=opens_in,
        )
