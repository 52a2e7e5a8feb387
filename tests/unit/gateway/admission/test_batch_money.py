"""What is kept for a batch is nobody else's: not while it runs, not while it is settled, not where settling fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from workbench.errors import BudgetExhausted
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.later import Later
from workbench.gateway.admission.money_leases import MoneyLeases
from workbench.gateway.admission.short import with_leases
from workbench.gateway.admission.ticket import Ticket
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.routing.models import Deployment
from workbench.gateway.settlement.store import Due, SettlementStore
from workbench.gateway.state import State
from workbench.wire.usage import Usage

pytestmark = pytest.mark.anyio
PLACE = Deployment(provider="acme", kind="openai", model="m")
COIN = Entry(Rate(TokenPrices(0.125, 0.0, 0.125, 0.125), "settings"))
"""A token costs an eighth of a dollar."""


@dataclass(frozen=True)
class Asked:
    """A question of so many tokens, or one that begins work."""

    size: int
    later: Later | None = None
    output_limit: int | None = 0
    choices: int = field(default=1)

    @property
    def most(self) -> Usage:
        return Usage(input_tokens=self.size)

    def with_output_limit(self, tokens: int) -> Self | None:
        return None


class Desk:
    """One process with a key that may spend a dollar in all."""

    def __init__(self, state: State, spool: Spool, key: Key) -> None:
        self.key = key
        self.admission = Admission(KeyTable())
        self.money = MoneyLeases(state, spool, counting=self.admission.lock, stage="staging")
        self.admission.deposits = self.money
        self.admission.lessors.append(self.money)
        self.admission.hold_to(key)

    async def call(self, coins: int) -> Ticket:
        """Begin a call; raises BudgetExhausted."""
        asked = Asked(coins)
        ticket = await with_leases(lambda: self.admission.admit(self.key, asked))
        try:
            await with_leases(lambda: ticket.cover(asked, PLACE, COIN))
        except BudgetExhausted:
            ticket.release()
            raise
        return ticket

    async def may_spend(self, coins: int) -> bool:
        try:
            (await self.call(coins)).release()
        except BudgetExhausted:
            return False
        return True

    async def begin(self, due_id: str, usd: float) -> None:
        """Begin a batch that may cost so much."""
        asked = Asked(0, later=Later(usd))
        ticket = await with_leases(lambda: self.admission.admit(self.key, asked))
        await with_leases(lambda: ticket.cover(asked, PLACE, Entry()))
        assert asked.later is not None
        await asked.later.keep_for(due_id)
        ticket.release()


@pytest.fixture
async def desk(state: State, tmp_path: Path, new_key: Callable[..., tuple[Key, str]]) -> AsyncIterator[Desk]:
    key, _ = new_key(id="key_1", owner="ana", budget=Budget(usd_total=1.0))
    spool = Spool(tmp_path / "ledger")
    spool.open()
    desk = Desk(state, spool, key)
    await desk.money.open(watch=False)
    yield desk
    await desk.money.close()
    spool.close()


def a_due(state: State) -> str:
    due = Due(kind="batch", provider="acme", upstream_id="b", account="key_1", owner="ana", created_at=1.0)
    SettlementStore(state).note(due)
    return due.id


async def test_what_is_withdrawn_is_held_until_it_is_charged(state: State, desk: Desk) -> None:
    due = a_due(state)
    await desk.begin(due, 0.75)
    assert await desk.may_spend(2)
    assert not await desk.may_spend(3), "it is kept"
    gauges = desk.admission.paying(desk.key, [])
    held = await desk.admission.withdraw(due, gauges)
    assert sum(held.values()) == 750_000_000_000
    assert await desk.may_spend(2)
    assert not await desk.may_spend(3), "the batch is not charged yet"
    desk.admission.charge(gauges, 0.25, held)
    assert await desk.may_spend(6)
    assert not await desk.may_spend(7), "it cost two of eight coins"
    assert gauges[0].at_rest


async def test_what_can_not_be_settled_is_kept_again(state: State, desk: Desk) -> None:
    due = a_due(state)
    await desk.begin(due, 0.75)
    gauges = desk.admission.paying(desk.key, [])
    held = await desk.admission.withdraw(due, gauges)
    assert await desk.admission.deposit(due, held)
    assert not await desk.may_spend(3)
    assert gauges[0].at_rest, "no call holds it"
    again = await desk.admission.withdraw(due, gauges)
    assert again == held
    desk.admission.charge(gauges, 0.0, again)
    assert await desk.may_spend(8)


async def test_a_batch_that_is_settled_frees_what_was_kept_meanwhile(state: State, desk: Desk) -> None:
    due = a_due(state)
    store = SettlementStore(state)
    taken = store.take(due)
    assert taken is not None
    await desk.begin(due, 0.75)  # the provider was faster than we
    store.settled(taken, cost_usd=0.0, note="completed")
    assert await desk.may_spend(8)
    await desk.begin(due, 0.75)
    assert await desk.may_spend(8), "for what is settled nothing is kept"
