"""What one call holds of its key's limits and money, from its admission to its settlement."""

from __future__ import annotations

import logging
from time import monotonic_ns
from typing import TypeVar, cast

from workbench.errors import BudgetExhausted, PriceUnknown
from workbench.gateway.admission.gauge import OVERRUN, Gauge
from workbench.gateway.admission.measured import Measured, Sized, counted, measure, uses_nothing
from workbench.gateway.admission.purse import at_most, dollars, picodollars
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.routing.models import Deployment

_log = logging.getLogger("workbench.gateway.admission")

_BYTES_PER_TOKEN = 4
_USUAL_OUTPUT = 256
"""Output tokens that are expected of a call which names no limit."""
_LEAST_OUTPUT = 4
"""Output tokens below which an answer is not worth its prompt."""
_UNKNOWN_OUTPUT = 131_072
"""Output tokens of an answer, at most, where neither the caller nor the price book says."""
_Q = TypeVar("_Q", bound=Measured | Sized)


class Ticket:
    """The ticket of a key that is held to nothing: it lets everything pass."""

    __slots__ = ()

    def cover(self, question: _Q, deployment: Deployment, known: Entry) -> _Q:
        """Hold what a question may cost at a deployment, at worst, before it is sent there.

        Returns the question, with an output limit where the budget buys no more. Raises BudgetExhausted, PriceUnknown.
        """
        return question

    def keep_up(self, cost_usd: float) -> None:
        """Hold what a conversation has cost so far, beside what was held for one answer; raises BudgetExhausted."""

    def settle(self, *, cost_usd: float, tokens: int) -> bool:
        """Book what the call used in the place of what was held, once; return whether the key was stopped for it."""
        return False

    def release(self) -> None:
        """Give everything back; nothing if the call was settled."""
        self.settle(cost_usd=0.0, tokens=0)


FREE = Ticket()


class HeldTicket(Ticket):
    """The ticket of a key with limits or a budget."""

    __slots__ = ("_ahead", "_began", "_covered", "_expected", "_gauge", "_held", "_open")

    def __init__(self, gauge: Gauge, question: Measured | Sized) -> None:
        self._gauge = gauge
        self._began = monotonic_ns()
        self._expected = 0 if gauge.key.limits.tokens_per_minute is None else _expected(question)
        self._held = 0
        self._ahead: int | None = None
        self._covered = False
        gauge.enter(self._began, self._expected)
        self._open = True

    def cover(self, question: _Q, deployment: Deployment, known: Entry) -> _Q:
        """Hold what a question may cost at a deployment; what was held for one before it counts."""
        if not self._gauge.purse.bounded or uses_nothing(question):
            return question
        rate = known.rate
        if rate is None:
            raise PriceUnknown(
                f"Nobody knows what {deployment.label!r} costs, and key {self._gauge.key.id} has a budget.",
                hint="The admin must give the model a price: [models.price].",
            )
        self._covered = True
        asked = measure(question)
        token = rate.dearest_output(asked.most.input_tokens) * max(1, asked.choices)
        limit = known.max_output_tokens or known.context_tokens or _UNKNOWN_OUTPUT
        if asked.output_limit is not None:
            limit = min(limit, asked.output_limit)
        prompt = rate.most(asked.most)
        if self._hold(prompt + limit * token):
            return question
        prompt = min(prompt, rate.most(counted(asked)))
        if self._hold(prompt + limit * token):
            return question
        least = min(_LEAST_OUTPUT, limit)
        room, left = (dollars(amount + self._held) for amount in self._gauge.room())
        tokens = int((room - prompt) / token) if token else 0
        if tokens >= least:
            limited = asked.with_output_limit(tokens)
            if limited is not None and self._hold(prompt + tokens * token):
                return cast("_Q", limited)
            least = limit
        cost = prompt + least * token
        raise self._exhausted(cost, waits=room < cost <= left)

    def keep_up(self, cost_usd: float) -> None:
        """Hold what a conversation has cost so far, beside what was held for one answer."""
        if not self._covered:
            return
        if self._ahead is None:
            self._ahead = self._held
        cost = cost_usd + dollars(self._ahead)
        if not self._hold(cost):
            raise self._exhausted(cost, waits=False)

    def settle(self, *, cost_usd: float, tokens: int) -> bool:
        """Book what the call used."""
        if not self._open:
            return False
        self._open = False
        spent = picodollars(cost_usd)
        overrun = self._covered and spent > self._held
        self._gauge.leave(
            began=self._began,
            now=monotonic_ns(),
            expected=self._expected,
            used=tokens,
            held=self._held,
            spent=spent,
            overrun=overrun,
        )
        if overrun:
            _log.warning(
                "key %s is stopped (%s): a call cost %.6f USD, held were %.6f",
                self._gauge.key.id, OVERRUN, cost_usd, dollars(self._held),
            )  # fmt: skip
        return overrun

    def _hold(self, usd: float) -> bool:
        amount = at_most(usd)
        more = amount - self._held
        if more > 0:
            if not self._gauge.hold(more):
                return False
            self._held = amount
        return True

    def _exhausted(self, least: float, *, waits: bool) -> BudgetExhausted:
        key = self._gauge.key
        if waits:
            return BudgetExhausted(
                f"What key {key.id} has left is held for its calls on their way.",
                hint="Send it again when they have ended, or send fewer at once.",
                retry_after=1,
            )
        return BudgetExhausted(
            f"The budget of key {key.id} does not reach for this call, which may cost {least:.6f} USD.",
            hint="`/me` tells what is left; the admin may raise it.",
        )


def _expected(question: Measured | Sized) -> int:
    asked = measure(question)
    output = _USUAL_OUTPUT if asked.output_limit is None else min(asked.output_limit, _USUAL_OUTPUT)
    return asked.most.input_tokens // _BYTES_PER_TOKEN + output * max(1, asked.choices)
