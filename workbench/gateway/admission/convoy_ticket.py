"""The ticket of a call that was let in with a block; where more is asked of it, it becomes one by itself."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, TypeVar

from workbench.gateway.admission.block import Block
from workbench.gateway.admission.measured import Measured, Sized, later, measure, uses_nothing
from workbench.gateway.admission.purse import at_most, picodollars
from workbench.gateway.admission.rate_headers import Header, rate_headers
from workbench.gateway.admission.ticket import HeldTicket, Ticket
from workbench.gateway.admission.worst import worst
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.routing.models import Deployment
from workbench.wire.usage import Usage

if TYPE_CHECKING:
    from workbench.gateway.admission.convoys import Convoy, Convoys

_Q = TypeVar("_Q", bound=Measured | Sized)


class ConvoyTicket(Ticket):
    """What one call has of a block; a plain call that is answered by the usual provider needs no more."""

    __slots__ = (
        "_amount", "_block", "_convoy", "_convoys", "_covered", "_expected", "_key_id", "_most", "_open", "_own",
        "_question",
    )  # fmt: skip

    def __init__(
        self, convoys: Convoys, convoy: Convoy, block: Block, *,
        key_id: str, question: Measured | Sized, most: Usage | None, expected: int,
    ) -> None:  # fmt: skip
        """Begin as a call of a block; `most` is what its question uses at most, where that was asked already."""
        self._convoys = convoys
        self._convoy = convoy
        self._block = block
        self._key_id = key_id
        self._question = question
        self._most = most
        self._expected = expected
        self._amount = 0
        self._covered = False
        self._open = True
        self._own: HeldTicket | None = None

    @property
    def elsewhere(self) -> bool:  # type: ignore[override]
        """Whether it was the provider, or the model that stands in, which took no more."""
        return self._own is not None and self._own.elsewhere

    @property
    def instead(self) -> str | None:  # type: ignore[override]
        """The model that policy sends the call to."""
        return None if self._own is None else self._own.instead

    def _apart(self) -> HeldTicket:
        """Go on as a ticket of its own, with what it has of the block."""
        if self._own is None:
            block, desk = self._block, self._convoys.desk
            gauges, place = block.gauges, block.place
            if place and not self._covered:  # it has not come to the provider
                gauges, place = gauges[: -len(place)], ()
            self._own = HeldTicket.of_convoy(
                desk, gauges, place, key_id=self._key_id, model=self._convoy.model, since=block.since,
                expected=self._expected, held=self._amount, covered=self._covered and block.bounded,
                is_open=self._open,
            )  # fmt: skip
        return self._own

    def cover(self, question: _Q, deployment: Deployment, known: Entry, *, model: str | None = None) -> _Q:
        """Hold what a question may cost, of what the block holds."""
        convoy, block = self._convoy, self._block
        if (
            self._own is None
            and not self._covered
            and (not convoy.model or (deployment.provider == block.provider and model in (None, convoy.model)))
            and later(question) is None
            and not uses_nothing(question)
            and self._takes(question, known)
        ):
            self._covered = True
            return question
        return self._apart().cover(question, deployment, known, model=model)

    def _takes(self, question: Measured | Sized, known: Entry) -> bool:
        """Take what the call needs of its block, or of the one that was taken meanwhile; return whether there is."""
        block, other = self._block, self._convoy.block
        if not block.is_open and other is not None and other.follows(block):
            block = other
        now = monotonic_ns() if block.place else 0
        if block.place and (now >= block.until or not block.places or self._expected > block.place_tokens):
            return False
        if block.bounded:
            if known.rate is None:
                return False
            asked = measure(question)
            most = self._most if self._most is not None and question is self._question else asked.most
            amount = at_most(worst(asked, most, known, known.rate).usd)
            if amount > block.money:
                return False
            block.money -= amount
            self._amount = amount
        if block.place:
            block.places -= 1
            block.place_tokens -= self._expected
            block.last = max(block.last, now)
        return True

    def turn_to(self, model: str) -> None:
        """Go on as a call of another model."""
        self._apart().turn_to(model)

    def headers(self) -> list[Header]:
        """Return how the tightest limits stand."""
        if self._own is not None:
            return self._own.headers()
        block = self._convoy.block
        if block is not None and block.is_open:
            return block.tight.headers(more_requests=block.calls, more_tokens=block.tokens)
        return rate_headers(self._block.gauges, self._convoys.desk.lock, monotonic_ns())

    def keep_up(self, cost_usd: float) -> None:
        """Hold what a conversation has cost so far."""
        self._apart().keep_up(cost_usd)

    def settle(self, *, cost_usd: float, tokens: int) -> bool:
        """Book what the call used, with the others of its block."""
        if self._own is not None:
            return self._own.settle(cost_usd=cost_usd, tokens=tokens)
        if not self._open:
            return False
        spent = picodollars(cost_usd)
        if self._block.place if not self._covered else self._block.bounded and spent > self._amount:
            return self._apart().settle(cost_usd=cost_usd, tokens=tokens)
        self._open = False
        self._block.end(expected=self._expected, used=tokens, held=self._amount, spent=spent)
        if not self._block.listed:
            self._convoys.ended(self._block)
        return False
