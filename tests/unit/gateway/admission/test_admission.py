"""Who is let in: calls, tokens and money of one key, and of none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import pytest

from workbench.errors import BudgetExhausted, LimitExceeded, PriceUnknown
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.admission import ticket as ticket_room
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.cells import CALLS, HELD, SHARES, SPENT, TOKENS
from workbench.gateway.admission.purse import picodollars
from workbench.gateway.admission.ticket import FREE, Ticket
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.ledger.reports import Spent
from workbench.gateway.routing.models import Deployment
from workbench.wire.usage import Usage

NewKey = Callable[..., tuple[Key, str]]
WHERE = Deployment(provider="p", kind="openai", model="m", region=None, capacity="on_demand", price=None)
DOLLAR = Entry(Rate(TokenPrices(0.001, 0.01, 0.001, 0.001), "settings"))
"""A dollar for a thousand bytes of prompt, or for a hundred tokens of answer."""
FREE_OF_CHARGE = Entry(Rate(TokenPrices(0.0, 0.0, 0.0, 0.0), "local"))


@dataclass(frozen=True)
class Asked:
    """A question of so many bytes."""

    size: int = 100
    output_limit: int | None = 50
    choices: int = 1
    can_be_limited: bool = True

    @property
    def most(self) -> Usage:
        return Usage(input_tokens=self.size)

    def with_output_limit(self, tokens: int) -> Self | None:
        return replace(self, output_limit=tokens) if self.can_be_limited else None


@dataclass(frozen=True)
class OnlySized:
    """A question that tells nothing but its size."""

    size: int


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of both clocks."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(ticket_room, "monotonic_ns", lambda: int(now[0] * 1e9))
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def desk() -> Admission:
    return Admission(KeyTable())


@pytest.fixture
def held_key(desk: Admission, new_key: NewKey) -> Callable[..., Key]:
    def make(*, spent: Spent | None = None, **fields: object) -> Key:
        limits = {name: value for name, value in fields.items() if not name.startswith("usd")}
        money = {name: value for name, value in fields.items() if name.startswith("usd")}
        key, _ = new_key(limits=Limits(**limits), budget=Budget(**money))  # type: ignore[arg-type]
        desk.hold_to(key, spent=spent)
        return key

    return make


HeldKey = Callable[..., Key]


def refusal(desk: Admission, key: Key, asked: Asked = Asked()) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        desk.admit(key, asked)
    return caught.value


def test_a_key_that_is_held_to_nothing_passes_everything(desk: Admission, new_key: NewKey) -> None:
    key, _ = new_key()
    desk.hold_to(key)
    ticket = desk.admit(key, Asked())
    assert ticket is FREE
    asked = Asked()
    assert ticket.cover(asked, WHERE, Entry()) is asked
    assert desk.headers(key) == []
    assert desk.left(key) == {}
    ticket.release()


class TestCallsAMinute:
    def test_of_50_calls_at_once_two_pass(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(requests_per_minute=2)
        for _ in range(2):
            desk.admit(key, Asked()).release()
        for _ in range(48):
            refused = refusal(desk, key)
            assert refused.error_code == "rate_limit_exceeded"
            assert refused.retry_after is not None
            assert 1 <= refused.retry_after <= 60

    def test_who_comes_back_when_told_is_let_in(self, desk: Admission, held_key: HeldKey, clock: list[float]) -> None:
        key = held_key(requests_per_minute=2)
        desk.admit(key, Asked())
        clock[0] += 20
        desk.admit(key, Asked())
        clock[0] += 0.5
        wait = refusal(desk, key).retry_after
        assert wait == 40
        clock[0] += wait
        desk.admit(key, Asked())
        assert refusal(desk, key).retry_after == 20

    def test_each_key_has_its_own_minute(self, desk: Admission, held_key: HeldKey) -> None:
        one, other = held_key(requests_per_minute=1), held_key(requests_per_minute=1)
        desk.admit(one, Asked())
        desk.admit(other, Asked())
        refusal(desk, one)

    def test_headers_tell_what_is_left(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(requests_per_minute=3, tokens_per_minute=1000)
        desk.admit(key, Asked(size=400, output_limit=100))
        told = dict(desk.headers(key))
        assert told[b"x-ratelimit-limit-requests"] == b"3"
        assert told[b"x-ratelimit-remaining-requests"] == b"2"
        assert told[b"x-ratelimit-remaining-tokens"] == b"800"
        assert told[b"x-ratelimit-reset-requests"].endswith(b"s")


class TestCallsAtOnce:
    def test_a_call_that_ends_makes_room_for_the_next(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(concurrent=2)
        first, _ = desk.admit(key, Asked()), desk.admit(key, Asked())
        assert "calls at once" in str(refusal(desk, key))
        first.settle(cost_usd=0.0, tokens=5)
        first.release()  # a second time gives nothing back
        desk.admit(key, Asked())
        refusal(desk, key)


class TestTokensAMinute:
    def test_what_is_expected_is_held_and_what_was_used_is_counted(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(tokens_per_minute=1000)
        tickets = [desk.admit(key, Asked(size=400, output_limit=200)) for _ in range(3)]
        assert "tokens a minute" in str(refusal(desk, key, Asked(size=400, output_limit=200)))
        for ticket in tickets:
            ticket.settle(cost_usd=0.0, tokens=100)
        assert desk.left(key)["tokens_per_minute"] == 700

    def test_a_call_larger_than_the_limit_goes_alone(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(tokens_per_minute=100)
        first = desk.admit(key, Asked(size=4000))
        refusal(desk, key, Asked(size=4000))
        first.settle(cost_usd=0.0, tokens=60)
        second = desk.admit(key, Asked(size=4000))
        second.settle(cost_usd=0.0, tokens=60)
        wait = refusal(desk, key, Asked(size=4)).retry_after
        assert wait is not None
        assert wait <= 60


class TestMoney:
    def test_the_worst_case_is_held_and_the_real_cost_booked(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=1.0)
        ticket = desk.admit(key, Asked())
        ticket.cover(Asked(), WHERE, DOLLAR)
        assert desk.left(key)["usd_total"] == pytest.approx(0.4)
        assert ticket.settle(cost_usd=0.15, tokens=20) is False
        assert desk.left(key)["usd_total"] == pytest.approx(0.85)

    def test_a_call_that_fails_costs_nothing(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=1.0)
        ticket = desk.admit(key, Asked())
        ticket.cover(Asked(), WHERE, DOLLAR)
        ticket.release()
        assert desk.left(key)["usd_total"] == 1.0

    def test_a_fallback_that_costs_more_is_held_for_as_well(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=1.0)
        ticket = desk.admit(key, Asked())
        ticket.cover(Asked(), WHERE, FREE_OF_CHARGE)
        assert desk.left(key)["usd_total"] == 1.0
        ticket.cover(Asked(), WHERE, DOLLAR)
        assert desk.left(key)["usd_total"] == pytest.approx(0.4)
        ticket.cover(Asked(size=10), WHERE, DOLLAR)
        assert desk.left(key)["usd_total"] == pytest.approx(0.4)

    def test_where_the_budget_buys_less_the_answer_is_limited(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=0.5)
        limited = desk.admit(key, Asked()).cover(Asked(output_limit=None), WHERE, DOLLAR)
        assert limited.output_limit == 40
        key = held_key(usd_total=0.5)
        limited = desk.admit(key, Asked()).cover(Asked(choices=2), WHERE, DOLLAR)
        assert limited.output_limit == 20

    def test_what_cannot_be_limited_is_refused(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=0.5)
        for asked in (Asked(can_be_limited=False), Asked(size=600), OnlySized(100)):
            with pytest.raises(BudgetExhausted) as caught:
                desk.admit(key, asked).cover(asked, WHERE, DOLLAR)
            assert caught.value.error_code == "budget_exhausted"
            assert caught.value.retry_after is None
            assert caught.value.actor == "admin"
        assert desk.left(key)["usd_total"] == 0.5

    def test_what_is_only_held_by_others_is_worth_waiting_for(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=0.6)
        first = desk.admit(key, Asked())
        first.cover(Asked(), WHERE, DOLLAR)
        with pytest.raises(BudgetExhausted) as caught:
            desk.admit(key, Asked()).cover(Asked(), WHERE, DOLLAR)
        assert caught.value.retry_after == 1
        first.release()
        desk.admit(key, Asked()).cover(Asked(), WHERE, DOLLAR)

    def test_a_budget_of_0_lets_free_models_pass(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=0.0)
        asked = Asked()
        assert desk.admit(key, asked).cover(asked, WHERE, FREE_OF_CHARGE) is asked
        with pytest.raises(BudgetExhausted):
            desk.admit(key, asked).cover(asked, WHERE, DOLLAR)

    def test_what_nobody_knows_the_price_of_is_refused(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_per_month=5)
        with pytest.raises(PriceUnknown) as caught:
            desk.admit(key, Asked()).cover(Asked(), WHERE, Entry())
        assert caught.value.actor == "admin"
        unbounded = held_key(requests_per_minute=5)
        desk.admit(unbounded, Asked()).cover(Asked(), WHERE, Entry())

    def test_a_bill_over_what_was_held_is_booked_and_stops_the_key(
        self, desk: Admission, held_key: HeldKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        key = held_key(usd_total=100.0)
        ticket = desk.admit(key, Asked())
        ticket.cover(Asked(), WHERE, DOLLAR)
        assert ticket.settle(cost_usd=3.0, tokens=100) is True
        assert desk.left(key)["usd_total"] == 97.0
        assert key.id in caplog.text
        assert refusal(desk, key).error_code == "budget_overrun"
        desk.hold_to(replace(key, note="changed"))
        assert refusal(desk, key).error_code == "budget_overrun"
        desk.hold_to(replace(key, budget=Budget(usd_total=200.0)), go_on=True)
        assert desk.left(key)["usd_total"] == 197.0
        desk.admit(key, Asked())

    def test_a_stop_is_found_again_after_a_restart(self, desk: Admission, new_key: NewKey) -> None:
        key, _ = new_key(budget=Budget(usd_total=5.0), stopped="budget_overrun")
        desk.hold_to(key)
        assert refusal(desk, key).error_code == "budget_overrun"

    def test_what_was_spent_before_counts(self, desk: Admission, held_key: HeldKey) -> None:
        key = held_key(usd_total=10, usd_per_day=3, usd_per_month=6, spent=Spent(total=4.0, day=1.0, month=3.5))
        assert desk.left(key) == pytest.approx({"usd_total": 6.0, "usd_per_day": 2.0, "usd_per_month": 2.5})

    def test_a_new_day_brings_new_money_and_a_clock_that_steps_back_does_not(
        self, desk: Admission, held_key: HeldKey, clock: list[float]
    ) -> None:
        clock[0] = 1_793_404_800.0  # 31 October 2026, 00:00 UTC
        key = held_key(usd_per_day=1.0, usd_per_month=10.0)

        def spend(usd: float) -> None:
            ticket = desk.admit(key, Asked())
            ticket.cover(Asked(), WHERE, DOLLAR)
            ticket.settle(cost_usd=usd, tokens=1)

        spend(0.5)
        clock[0] += 86_399
        assert desk.left(key) == pytest.approx({"usd_per_day": 0.5, "usd_per_month": 9.5})
        clock[0] += 1
        assert desk.left(key) == pytest.approx({"usd_per_day": 1.0, "usd_per_month": 10.0})
        spend(0.25)
        clock[0] -= 7200
        assert desk.left(key) == pytest.approx({"usd_per_day": 0.75, "usd_per_month": 9.75})


class Customers:
    """Random calls of one key that answer, fail, fall back, are cut, or leave while they wait."""

    def __init__(self, desk: Admission, key: Key, chance: random.Random) -> None:
        self.desk, self.key, self.chance = desk, key, chance
        self.gauge = desk._gauges[key.id]
        self.spent = 0.0

    def check(self) -> None:
        assert self.gauge.purse.room() >= 0, "more is held and spent than there is"

    async def call(self) -> None:
        ticket: Ticket = FREE
        asked = Asked(size=self.chance.randrange(1, 400), output_limit=self.chance.choice([None, 1, 20, 400]))
        await asyncio.sleep(0)
        try:
            ticket = self.desk.admit(self.key, asked)
            for _ in range(self.chance.randrange(1, 4)):
                if await self.attempt(ticket, asked):
                    return
        except LimitExceeded:
            pass
        finally:
            ticket.release()
            self.check()

    async def attempt(self, ticket: Ticket, asked: Asked) -> bool:
        known = self.chance.choice([DOLLAR, DOLLAR, FREE_OF_CHARGE])
        limited = ticket.cover(asked, WHERE, known)
        self.check()
        for _ in range(self.chance.randrange(5)):
            await asyncio.sleep(0)
        if self.chance.random() < 0.5:
            return False
        assert known.rate is not None
        most = 200 if limited.output_limit is None else limited.output_limit
        used = Usage(self.chance.randrange(asked.size + 1), self.chance.randrange(most + 1))
        cost = known.rate.cost(used)
        assert not ticket.settle(cost_usd=cost, tokens=used.total_tokens)
        self.spent += cost
        return True


async def test_money_spent_and_held_never_passes_the_cap_whatever_happens(desk: Admission, held_key: HeldKey) -> None:
    for seed in range(40):
        chance = random.Random(seed)
        cap = chance.choice([0.0, 0.5, 2.0, 7.3])
        key = held_key(usd_total=cap, usd_per_day=cap, concurrent=chance.choice([3, 1000]), tokens_per_minute=10**6)
        customers = Customers(desk, key, chance)
        tasks = [asyncio.ensure_future(customers.call()) for _ in range(60)]
        for task in tasks:
            if chance.random() < 0.2:
                await asyncio.sleep(0)
                task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
        cells = customers.gauge._cells
        on_their_way = [cells[place] for place in (HELD, CALLS, TOKENS, SHARES, SHARES + 1, SHARES + 2)]
        assert on_their_way == [0] * 6, "something is held at rest"
        assert cells[SPENT] == pytest.approx(picodollars(customers.spent), abs=60)
        assert customers.spent <= cap + 1e-9


def test_gauges_of_dead_keys_are_let_go(new_key: NewKey) -> None:
    keys = KeyTable()
    desk = Admission(keys)
    for number in range(2500):
        key, _ = new_key(limits=Limits(concurrent=1), expires_at=1.0 if number % 2 else None)
        keys.put(key)
        desk.hold_to(key)
    assert len(desk._gauges) < 2000


class TestCloserLook:
    """A question that can be bounded by its texts is, where its bytes do not fit."""

    @dataclass(frozen=True)
    class Wordy(Asked):
        looks: ClassVar[list[str]] = []

        @property
        def counted(self) -> Usage:
            self.looks.append("looked")
            return Usage(input_tokens=self.size // 10)

    def test_only_where_the_bytes_do_not_fit(self, desk: Admission, held_key: HeldKey) -> None:
        asked = self.Wordy(size=1000, output_limit=0)
        rich, poor = held_key(usd_total=1.0), held_key(usd_total=0.9)
        assert desk.admit(rich, asked).cover(asked, WHERE, DOLLAR) is asked
        assert asked.looks == []
        assert desk.admit(poor, asked).cover(asked, WHERE, DOLLAR) is asked
        assert asked.looks == ["looked"]
        assert desk.left(poor)["usd_total"] == pytest.approx(0.8)
