"""Whatever happens to calls of several subjects: held and spent never pass a cap, and at rest nothing is held."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, replace
from typing import Any, Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workbench.errors import LimitExceeded
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.access.use_cases import UseCase, UseCaseTable
from workbench.gateway.admission import cells as c
from workbench.gateway.admission import ticket as ticket_room
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.rules import Rules
from workbench.gateway.admission.subject import Raise, Subject
from workbench.gateway.admission.ticket import Ticket
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.routing.models import Deployment
from workbench.settings import LimitSettings
from workbench.wire.usage import Usage

PRICES = {name: Entry(Rate(TokenPrices(usd, 10 * usd, usd, usd), "settings")) for name, usd in (
    ("fast", 0.001), ("small", 0.0001), ("free", 0.0)
)}  # fmt: skip
MODELS = st.sampled_from(sorted(PRICES))
PROVIDERS = st.sampled_from(["acme", "vault"])
AMOUNTS = st.sampled_from([1.0, 0.0, 0.3, 2.5])
WHICH = st.integers(0, 50)
ON_THEIR_WAY = (c.HELD, c.CALLS, c.TOKENS, c.SHARES, c.SHARES + 1, c.SHARES + 2)


@dataclass(frozen=True)
class Asked:
    """A question of some size."""

    model: str
    size: int
    output_limit: int | None
    choices: int = 1

    @property
    def most(self) -> Usage:
        return Usage(input_tokens=self.size)

    def with_output_limit(self, tokens: int) -> Self:
        return replace(self, output_limit=tokens)


@dataclass
class OpenCall:
    """A call on its way, and what it may cost at most by what was let through."""

    ticket: Ticket
    asked: Asked
    sent: Asked | None = None
    model: str = ""


class Gateway(RuleBasedStateMachine):
    """Calls of four keys, of two owners and two use cases, to three models at two providers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = pytest.MonkeyPatch()
        self.wall = self.running = 1_793_404_800.0
        self.patches.setattr("time.time", lambda: self.wall)
        self.patches.setattr(ticket_room, "monotonic_ns", lambda: int(self.running * 1e9))
        self.use_cases = UseCaseTable()
        self.desk = Admission(KeyTable(), use_cases=self.use_cases)
        self.use_cases.listen(lambda one: self.desk.hold_use_case(one) and None)
        self.keys = [
            Key(
                id=f"key_{number}", hash=b"", kind="production", owner=owner, use_case=use_case, note="",
                created_at=1.0, expires_at=None,
                limits=Limits(concurrent=3, tokens_per_minute=2000) if number % 2 else Limits(),
                budget=Budget(usd_total=1.5) if number % 3 else Budget(),
            )
            for number, (owner, use_case) in enumerate(itertools.product(["ana", "bob"], ["menus", "search"]))
        ]  # fmt: skip
        self.open: list[OpenCall] = []
        self.raises: list[Raise] = []

    def teardown(self) -> None:
        """Let every call end that is still on its way: at rest nothing is held of anybody."""
        try:
            for call in self.open:
                call.ticket.release()
            for gauge in self.desk._gauges.values():
                held = [gauge._cells[place] for place in ON_THEIR_WAY]
                assert held == [0] * len(ON_THEIR_WAY), gauge.terms
        finally:
            self.patches.undo()

    @initialize(user=AMOUNTS, model=AMOUNTS, provider=AMOUNTS, use_case=AMOUNTS)
    def begin(self, *, user: float, model: float, provider: float, use_case: float) -> None:
        limits: list[dict[str, Any]] = [
            {"subject": "user", "usd_per_day": user, "requests_per_second": 3, "burst": 6, "tokens_per_day": 4000},
            {"subject": "user", "usd_total": user / 2, "requests_per_minute": 5, "shadow": True},
            {"subject": "model", "match": "[!f]*", "usd_per_month": model},
            {"subject": "provider", "usd_total": provider, "concurrent": 4, "requests_per_minute": 30},
        ]
        self.rules = Rules.from_settings(LimitSettings(**one) for one in limits)
        self.desk.rule(self.rules, {})
        for key in self.keys:
            self.desk.hold_to(key)
        for name in ("menus", "search"):
            self.use_cases.put(UseCase(name, owner="o", data_class="d", budget=Budget(usd_total=2 * use_case)))

    @rule(
        key=st.integers(0, 3),
        model=MODELS,
        size=st.integers(1, 800),
        limit=st.integers(1, 80) | st.none(),
        tries=st.lists(st.tuples(PROVIDERS, st.none() | MODELS), min_size=1, max_size=3),
    )
    def call(self, *, key: int, model: str, size: int, limit: int | None, tries: list[tuple[str, str | None]]) -> None:
        asked = Asked(model, size, limit)
        try:
            call = OpenCall(self.desk.admit(self.keys[key], asked), asked)
        except LimitExceeded:
            return
        self.open.append(call)
        for provider, other in tries:
            self.hold(call, provider, other)

    def hold(self, call: OpenCall, provider: str, other: str | None) -> None:
        model = other or call.asked.model
        at = Deployment(provider=provider, kind="openai", model=model)
        try:
            sent = call.ticket.cover(call.asked, at, PRICES[model], model=model)
        except LimitExceeded:
            self.nothing_is_over_its_cap()
            return
        call.sent, call.model = sent, model

    @precondition(lambda self: self.open)
    @rule(which=WHICH, provider=PROVIDERS, model=MODELS, turn=st.booleans())
    def go_on_elsewhere(self, *, which: int, provider: str, model: str, turn: bool) -> None:
        call = self.open[which % len(self.open)]
        if turn and call.sent is None:
            call.asked = replace(call.asked, model=model)
            with contextlib.suppress(LimitExceeded):
                call.ticket.turn_to(model)
        self.hold(call, provider, None if turn else model)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, share=st.floats(0, 1))
    def answer(self, *, which: int, share: float) -> None:
        call = self.open.pop(which % len(self.open))
        if call.sent is not None and call.sent.output_limit is not None:
            used = Usage(int(call.sent.size * share), int(call.sent.output_limit * share))
            rate = PRICES[call.model].rate
            assert rate is not None
            assert not call.ticket.settle(cost_usd=rate.cost(used), tokens=used.total_tokens)
        call.ticket.release()

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def leave(self, *, which: int) -> None:
        call = self.open.pop(which % len(self.open))
        call.ticket.release()
        call.ticket.release()

    @rule(seconds=st.sampled_from([0.4, 30.0, 61.0]), step=st.sampled_from([0.0, 0.0, -90_000.0, -3600.0, 90_000.0]))
    def wait(self, *, seconds: float, step: float) -> None:
        self.running += seconds
        self.wall += seconds + step

    @rule(who=st.sampled_from(["ana", "bob"]), usd=st.sampled_from([0.5, 1.0]))
    def raise_a_budget_and_reload(self, *, who: str, usd: float) -> None:
        made = Raise(
            f"raise_{len(self.raises)}", Subject("user", who), Budget(usd_per_day=usd), until=1e12, reason="",
            by="root", created_at=self.wall,
        )  # fmt: skip
        self.raises.append(made)
        self.desk.raise_budgets(self.raises)
        self.desk.rule(self.rules, {})

    @invariant()
    def nothing_is_over_its_cap(self) -> None:
        for gauge in self.desk._gauges.values():
            cells = gauge._cells
            assert cells[c.HELD] >= 0
            assert cells[c.CALLS] >= 0
            for cap in gauge.purse.caps:
                assert cells[cap.spent] + cells[c.HELD] <= cap.amount, gauge.terms
            most = gauge.terms.limits.concurrent
            assert most is None or cells[c.CALLS] <= most


Gateway.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestCapsHold = Gateway.TestCase
