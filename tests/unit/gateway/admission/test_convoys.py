"""Calls that follow one another closely are counted by the block, and nobody can tell the difference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BudgetExhausted, LimitExceeded
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.admission import admission as desk_room
from workbench.gateway.admission import cells as c
from workbench.gateway.admission import convoy_ticket, convoys, gauge
from workbench.gateway.admission import ticket as ticket_room
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.convoy_ticket import ConvoyTicket
from workbench.gateway.admission.rules import Rules
from workbench.gateway.admission.ticket import HeldTicket, Ticket
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.notices import Notice, Notices
from workbench.gateway.routing.models import Deployment
from workbench.settings import LimitSettings
from workbench.wire.usage import Usage

NewKey = Callable[..., tuple[Key, str]]
NOON = 1_793_448_000.0
DOLLAR = Entry(Rate(TokenPrices(0.001, 0.01, 0.001, 0.001), "settings"))
"""A dollar for a thousand bytes of prompt, or for a hundred tokens of answer."""
COUNTED = (
    c.SPENT, c.SPENT_DAY, c.SPENT_MONTH, c.HELD, c.CALLS, c.TOKENS, c.REQUESTS_DAY, c.TOKENS_DAY, c.ARRIVAL, c.WARNED,
    c.SHARES, c.SHARES + 1, c.SHARES + 2, c.REQUEST_WINDOW, c.TOKEN_WINDOW,
)  # fmt: skip


def at(provider: str) -> Deployment:
    return Deployment(provider=provider, kind="openai", model="m")


@dataclass(frozen=True)
class Asked:
    """A question to a model; with these numbers it costs 0.6 dollars at most."""

    model: str = "fast"
    size: int = 100
    output_limit: int | None = 50
    choices: int = 1

    @property
    def most(self) -> Usage:
        return Usage(input_tokens=self.size)

    def with_output_limit(self, tokens: int) -> Self:
        return replace(self, output_limit=tokens)


@dataclass
class Clock:
    """Both clocks, in seconds."""

    now: float = NOON
    patches: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    def __enter__(self) -> Self:
        self.patches.setattr("time.time", lambda: self.now)
        for room in (ticket_room, convoys, convoy_ticket, desk_room):
            self.patches.setattr(room, "monotonic_ns", lambda: int(self.now * 1e9))
        return self

    def __exit__(self, *_: object) -> None:
        self.patches.undo()


@pytest.fixture
def clock() -> Any:
    with Clock() as one:
        yield one


@pytest.fixture
def heard() -> list[Notice]:
    return []


@pytest.fixture
def desk(heard: list[Notice], clock: Clock) -> Admission:
    notices = Notices()
    notices.listen(heard.append)
    return Admission(KeyTable(), notices=notices)


@pytest.fixture
def ana(new_key: NewKey, desk: Admission) -> Key:
    key = new_key(owner="ana", limits=Limits(requests_per_minute=100_000), budget=Budget(usd_total=1_000_000.0))[0]
    desk.hold_to(key)
    return key


def rule(desk: Admission, *limits: dict[str, Any]) -> None:
    desk.rule(Rules.from_settings(LimitSettings(**one) for one in limits), {})


def call(desk: Admission, key: Key, *, provider: str = "acme", asked: Asked | None = None) -> Ticket:
    """Let a call begin, and send it."""
    ticket = desk.admit(key, asked or Asked())
    ticket.cover(asked or Asked(), at(provider), DOLLAR, model="fast")
    return ticket


def form(desk: Admission, key: Key) -> None:
    """Let as many calls begin and end as make a convoy."""
    for _ in range(convoys.CLOSE):
        one = call(desk, key)
        assert isinstance(one, HeldTicket)
        one.settle(cost_usd=0.25, tokens=10)


def left(desk: Admission, key: Key) -> tuple[float, float]:
    told = desk.left(key)
    return told["requests_per_minute"], told["usd_total"]


def test_calls_that_follow_closely_are_counted_by_the_block_as_if_each_was_counted_by_itself(
    desk: Admission, ana: Key
) -> None:
    form(desk, ana)
    begun = [call(desk, ana) for _ in range(5)]
    assert all(isinstance(one, ConvoyTicket) for one in begun)
    assert left(desk, ana) == (100_000 - 13, 1_000_000.0 - 8 * 0.25 - 5 * 0.6)
    for one in begun:
        assert one.settle(cost_usd=0.5, tokens=10) is False
        assert one.settle(cost_usd=0.5, tokens=10) is False, "once"
    assert left(desk, ana) == (100_000 - 13, 1_000_000.0 - 8 * 0.25 - 5 * 0.5)
    (told,) = desk.all(models=[], providers=[])
    assert told["used"]["usd_held"] == 0
    assert told["used"]["concurrent"] == 0


def test_the_headers_of_a_block_count_down_as_ever(desk: Admission, ana: Key) -> None:
    form(desk, ana)
    told = []
    for _ in range(convoys.CALLS + 3):
        ticket = call(desk, ana)
        told.append(int(dict(ticket.headers())[b"x-ratelimit-remaining-requests"]))
        ticket.settle(cost_usd=0.1, tokens=1)
    assert told == [100_000 - convoys.CLOSE - number for number in range(1, convoys.CALLS + 4)]


def test_calls_far_apart_form_no_convoy(desk: Admission, ana: Key, clock: Clock) -> None:
    for _ in range(3 * convoys.CLOSE):
        assert isinstance(call(desk, ana), HeldTicket)
        clock.now += 0.02


def test_a_block_that_lies_idle_is_given_back_by_whoever_comes_next(desk: Admission, ana: Key, clock: Clock) -> None:
    form(desk, ana)
    assert isinstance(call(desk, ana), ConvoyTicket)
    clock.now += 61
    assert isinstance(call(desk, ana), HeldTicket), "it had served one call: no other is taken"
    assert left(desk, ana)[0] == 100_000 - 1


def test_near_a_limit_no_block_is_taken_and_the_limit_holds_to_the_call(
    desk: Admission, new_key: NewKey, clock: Clock
) -> None:
    key = new_key(limits=Limits(requests_per_minute=1000))[0]
    desk.hold_to(key)
    kinds = [type(call(desk, key)) for _ in range(1000)]
    with pytest.raises(LimitExceeded, match="1000 calls a minute"):
        desk.admit(key, Asked())
    assert kinds[400] is ConvoyTicket
    assert set(kinds[-convoys.CALLS :]) == {HeldTicket}


@pytest.mark.parametrize(
    "limit",
    [{"subject": "user", "requests_per_minute": 1_000_000, "shadow": True}, {"subject": "model", "concurrent": 9}],
)
def test_what_casts_a_shadow_or_is_small_is_counted_call_by_call(
    desk: Admission, ana: Key, limit: dict[str, Any]
) -> None:
    rule(desk, limit)
    for _ in range(50):
        ticket = call(desk, ana)
        assert isinstance(ticket, HeldTicket)
        ticket.settle(cost_usd=0.1, tokens=1)


def test_who_is_stopped_in_the_middle_of_a_block_is_refused_at_once(
    desk: Admission, ana: Key, heard: list[Notice]
) -> None:
    form(desk, ana)
    first, second = call(desk, ana), call(desk, ana)
    assert isinstance(first, ConvoyTicket)
    assert first.settle(cost_usd=3.0, tokens=10) is True, "more than was held: the key is stopped"
    with pytest.raises(BudgetExhausted, match="is stopped"):
        desk.admit(ana, Asked())
    assert [one.kind for one in heard].count("budget_overrun") == 1
    second.release()
    assert left(desk, ana)[1] == 1_000_000.0 - 8 * 0.25 - 3.0


def test_new_rules_hold_for_the_very_next_call(desk: Admission, ana: Key) -> None:
    form(desk, ana)
    assert isinstance(call(desk, ana), ConvoyTicket)
    rule(desk, {"subject": "user", "requests_per_day": 1})
    assert isinstance(call(desk, ana), HeldTicket)
    with pytest.raises(LimitExceeded, match="1 calls a day"):
        desk.admit(ana, Asked())


def test_a_call_that_goes_on_elsewhere_leaves_its_block_and_is_paid_where_it_ended(desk: Admission, ana: Key) -> None:
    rule(desk, {"subject": "provider", "concurrent": 100_000, "usd_per_day": 100_000.0})
    form(desk, ana)
    ticket = call(desk, ana)
    assert isinstance(ticket, ConvoyTicket)
    ticket.cover(Asked(), at("vault"), DOLLAR, model="fast")
    acme, vault = (desk.of_place(name, None)[0] for name in ("acme", "vault"))
    assert (acme.used()["concurrent"], vault.used()["concurrent"]) == (0, 1)
    ticket.settle(cost_usd=0.5, tokens=10)
    assert vault.used() == {"usd_day": 0.5, "usd_month": 0.5, "usd_total": 0.5, "usd_held": 0.0, "concurrent": 0}
    assert acme.used()["usd_total"] == convoys.CLOSE * 0.25
    assert acme.used()["usd_held"] == 0


def test_thresholds_are_told_once_though_they_were_passed_within_a_block(
    desk: Admission, new_key: NewKey, heard: list[Notice]
) -> None:
    key = new_key(limits=Limits(requests_per_minute=100_000), budget=Budget(usd_total=1000.0))[0]
    desk.hold_to(key)
    while left(desk, key)[1] > 400:
        for _ in range(20):
            call(desk, key).settle(cost_usd=0.6, tokens=1)
    assert [one.kind for one in heard] == ["budget"]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two calls make a convoy, blocks have seven, and nothing more be left."""
    monkeypatch.setattr(convoys, "CLOSE", 2)
    monkeypatch.setattr(convoys, "CALLS", 7)
    monkeypatch.setattr(gauge, "_FAR", 1)


def ride(desk: Admission, key: Key, *, calls: int) -> None:
    for _ in range(calls):
        ticket = call(desk, key, asked=Asked(size=1, output_limit=1))
        assert isinstance(ticket, ConvoyTicket)
        ticket.settle(cost_usd=0.001, tokens=1)


@pytest.mark.usefixtures("small_blocks")
def test_calls_of_a_block_leave_the_minute_no_earlier_than_the_last_of_them(
    desk: Admission, new_key: NewKey, clock: Clock
) -> None:
    key = new_key(limits=Limits(requests_per_minute=20), budget=Budget(usd_total=1e6))[0]
    desk.hold_to(key)
    call(desk, key), call(desk, key)
    clock.now += 1.5
    ride(desk, key, calls=1)
    clock.now += 0.045
    ride(desk, key, calls=6)
    clock.now += 10
    assert left(desk, key)[0] == 20 - 9
    clock.now += 49.9
    assert left(desk, key)[0] == 20 - 7, "the first two are a minute old"
    clock.now += 0.08  # the block is, and its last calls are not
    assert left(desk, key)[0] == 20 - 7
    clock.now += 0.03
    assert left(desk, key)[0] == 20


@pytest.mark.usefixtures("small_blocks")
def test_no_block_goes_on_into_another_second(desk: Admission, new_key: NewKey, clock: Clock) -> None:
    key = new_key(limits=Limits(requests_per_minute=20), budget=Budget(usd_total=1e6))[0]
    desk.hold_to(key)
    clock.now += 0.95
    call(desk, key), call(desk, key)
    clock.now += 0.04
    ride(desk, key, calls=3)
    clock.now += 0.02
    ride(desk, key, calls=2)
    clock.now += 59.985  # 60.005 s after the first three, 59.985 s after the others
    assert left(desk, key)[0] == 20 - 2


@pytest.mark.usefixtures("small_blocks")
def test_a_block_lets_no_more_calls_begin_at_once_than_may(desk: Admission, new_key: NewKey, clock: Clock) -> None:
    key = new_key(limits=Limits(requests_per_second=1000), budget=Budget(usd_total=1e6))[0]
    desk.hold_to(key)
    call(desk, key), call(desk, key)
    clock.now += 0.01
    ride(desk, key, calls=1)
    clock.now += 0.04
    ride(desk, key, calls=5)
    assert desk.left(key)["requests_per_second"] == 1000 - 6


# -- whatever happens ------------------------------------------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 300), st.integers(1, 60) | st.none(), st.integers(0, 1)),
    st.tuples(st.just("ask"), st.integers(1, 30), st.integers(1, 6), st.integers(0, 1)),
    st.tuples(st.just("call"), st.integers(1, 300), st.integers(1, 60) | st.none(), st.integers(0, 1)),
    st.tuples(st.just("send"), st.integers(0, 30), st.sampled_from(["acme", "vault"])),
    st.tuples(st.just("answer"), st.integers(0, 30), st.floats(0, 1.0)),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(st.just("turn"), st.integers(0, 30), st.sampled_from(["fast", "slow"])),
    st.tuples(st.just("look")),
    st.tuples(st.just("wait"), st.sampled_from([0.06, 61.0])),
)
RULES: list[dict[str, Any]] = [
    {"subject": "user", "usd_per_day": 30.0, "requests_per_second": 30, "tokens_per_minute": 20_000},
    {"subject": "model", "match": "f*", "requests_per_minute": 60},
    {"subject": "provider", "match": "acme", "concurrent": 12, "usd_total": 25.0},
]


def two_keys() -> list[Key]:
    """Return two keys of one user, so that each is held to what the other one uses."""
    return [
        Key(
            id=f"key_{number}", hash=b"", kind="production", owner="ana", use_case=None, note="", created_at=1.0,
            expires_at=None, limits=Limits(requests_per_minute=80, requests_per_day=200),
            budget=Budget(usd_total=40.0),
        )
        for number in range(2)
    ]  # fmt: skip


class Script:
    """One desk, and the calls that a script makes at it."""

    def __init__(self, keys: list[Key], *, by_the_block: bool) -> None:
        self.keys = keys
        self.desk = Admission(KeyTable())
        if not by_the_block:
            self.desk.convoys = None
        self.desk.rule(Rules.from_settings(LimitSettings(**one) for one in RULES), {})
        for key in keys:
            self.desk.hold_to(key)
        self.calls: list[tuple[Ticket, Asked, Asked | None]] = []
        self.kinds: set[type[Ticket]] = set()

    def take(self, step: tuple[Any, ...]) -> object:
        """Take one step; return what anybody can see of it."""
        kind, *args = step
        if kind == "ask":
            self.take(("call", *args))
            return self.take(("send", -1, "acme"))
        if kind == "call":
            asked = Asked(size=args[0], output_limit=args[1])
            ticket = self.desk.admit(self.keys[args[2]], asked)
            self.kinds.add(type(ticket))
            self.calls.append((ticket, asked, None))
            return None
        if kind == "look":
            return [self.desk.left(key) for key in self.keys]
        if kind == "wait" or not self.calls:
            return None
        place = args[0] % len(self.calls)
        ticket, asked, sent = self.calls[place]
        if kind == "send":
            sent = ticket.cover(asked, at(args[1]), DOLLAR, model=asked.model)
            self.calls[place] = ticket, asked, sent
            return sent
        if kind == "turn":
            if sent is None:
                self.calls[place] = ticket, replace(asked, model=args[1]), None
                ticket.turn_to(args[1])
            return None
        del self.calls[place]
        if kind == "answer" and sent is not None:
            used = Usage(int(sent.size * args[1]), int((sent.output_limit or 0) * args[1]))
            assert DOLLAR.rate is not None
            return ticket.settle(cost_usd=DOLLAR.rate.cost(used), tokens=used.total_tokens)
        return ticket.release()

    def seen(self, step: tuple[Any, ...]) -> object:
        """Take a step; return what is seen of it, an error included."""
        try:
            return self.take(step)
        except LimitExceeded as error:
            return type(error), str(error), error.retry_after

    def counted(self) -> dict[str, list[int]]:
        """Let all calls end; return all that was counted."""
        for ticket, *_ in self.calls:
            ticket.release()
        with self.desk.lock:
            for one in self.desk._gauges.values():  # what has left the minute is forgotten by whoever looks
                one.left(desk_room.monotonic_ns())
                one._tokens.used(desk_room.monotonic_ns())
                one._requests.used(desk_room.monotonic_ns())
            return {name: [one._cells[place] for place in COUNTED] for name, one in self.desk._gauges.items()}


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, min_size=10, max_size=120))
def test_a_desk_with_convoys_does_what_one_without_does(steps: list[tuple[Any, ...]]) -> None:
    with Clock() as clock, contextlib.ExitStack() as stack:
        patches = stack.enter_context(pytest.MonkeyPatch.context())
        patches.setattr(convoys, "CLOSE", 1)
        patches.setattr(convoys, "CALLS", 3)
        patches.setattr(gauge, "_FAR", 1)
        ours, plain = (Script(two_keys(), by_the_block=one) for one in (True, False))
        for step in steps:
            if step[0] == "wait":
                # Within a minute somebody looks: else what was used beyond expectation counts for longer.
                assert step[1] < 1 or ours.seen(("look",)) == plain.seen(("look",))
                clock.now += step[1]
            assert ours.seen(step) == plain.seen(step), step
        assert ours.counted() == plain.counted()
        assert plain.kinds <= {HeldTicket}


def test_scripts_of_many_calls_do_ride_in_blocks() -> None:
    with Clock(), pytest.MonkeyPatch.context() as patches:
        patches.setattr(convoys, "CLOSE", 1)
        patches.setattr(convoys, "CALLS", 3)
        patches.setattr(gauge, "_FAR", 1)
        ours = Script(two_keys(), by_the_block=True)
        for _ in range(8):
            ours.take(("call", 10, 5, 0))
            ours.take(("send", len(ours.calls) - 1, "acme"))
        assert ours.kinds == {HeldTicket, ConvoyTicket}
