"""A call is counted of all its subjects, or of none: key, use case, user, model and provider."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import pytest

from workbench.errors import BudgetExhausted, LimitExceeded, PriceUnknown
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import NO_BUDGET, Budget, Limits
from workbench.gateway.access.use_cases import UseCase, UseCaseTable
from workbench.gateway.admission import ticket as ticket_room
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.rules import Rules
from workbench.gateway.admission.subject import Raise, Subject
from workbench.gateway.admission.ticket import FREE
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.ledger.reports import Spent
from workbench.gateway.notices import Notice, Notices
from workbench.gateway.routing.models import Deployment
from workbench.settings import LimitSettings
from workbench.wire.usage import Usage

NewKey = Callable[..., tuple[Key, str]]
MIDNIGHT = 1_793_404_800.0
"""31 October 2026, 00:00 UTC."""
DAY = 86_400
DOLLAR = Entry(Rate(TokenPrices(0.001, 0.01, 0.001, 0.001), "settings"))
"""A dollar for a thousand bytes of prompt, or for a hundred tokens of answer."""


def at(provider: str) -> Deployment:
    return Deployment(provider=provider, kind="openai", model="m", region=None, capacity="on_demand", price=None)


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

    def with_output_limit(self, tokens: int) -> Self | None:
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of both clocks."""
    now = [MIDNIGHT + DAY / 2]
    monkeypatch.setattr(ticket_room, "monotonic_ns", lambda: int(now[0] * 1e9))
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def heard() -> list[Notice]:
    return []


@pytest.fixture
def use_cases() -> UseCaseTable:
    return UseCaseTable()


@pytest.fixture
def desk(heard: list[Notice], use_cases: UseCaseTable) -> Admission:
    notices = Notices()
    notices.listen(heard.append)
    return Admission(KeyTable(), use_cases=use_cases, notices=notices)


@pytest.fixture
def ana(new_key: NewKey) -> Key:
    return new_key(owner="ana", use_case="menus")[0]


def rule(desk: Admission, *limits: dict[str, Any], spent: dict[str, dict[str, Spent]] | None = None) -> None:
    desk.rule(Rules.from_settings(LimitSettings(**one) for one in limits), spent or {})  # type: ignore[arg-type]


def standing(desk: Admission, kind: str, name: str) -> dict[str, Any]:
    (one,) = [one for one in desk.all(models=[], providers=[]) if (one["subject"], one["name"]) == (kind, name)]
    return one


def refusal(desk: Admission, key: Key, asked: Asked = Asked()) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        desk.admit(key, asked)
    return caught.value


class TestAllOrNone:
    def test_a_call_that_one_subject_refuses_is_counted_of_none(self, desk: Admission, ana: Key) -> None:
        rule(
            desk,
            {"subject": "key", "requests_per_minute": 10, "concurrent": 9},
            {"subject": "user", "tokens_per_minute": 10_000},
            {"subject": "model", "requests_per_day": 2},
        )
        tickets = [desk.admit(ana, Asked()) for _ in range(2)]
        before = desk.all(models=[], providers=[])
        assert "Model 'fast' is held to 2 calls a day" in refusal(desk, ana).message
        assert desk.all(models=[], providers=[]) == before
        desk.admit(ana, Asked(model="slow"))
        for ticket in tickets:
            ticket.release()
        assert standing(desk, "key", ana.id)["used"]["concurrent"] == 1

    def test_money_is_held_of_all_of_them_or_of_none(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "user", "usd_total": 5.0}, {"subject": "use_case", "usd_total": 1.0})
        first = desk.admit(ana, Asked())
        first.cover(Asked(), at("p"), DOLLAR, model="fast")
        second = desk.admit(ana, Asked())
        with pytest.raises(BudgetExhausted) as caught:
            second.cover(Asked(), at("p"), DOLLAR, model="fast")
        assert "use case 'menus'" in caught.value.message
        assert standing(desk, "user", "ana")["left"]["usd_total"] == pytest.approx(4.4)
        first.settle(cost_usd=0.3, tokens=10)
        assert standing(desk, "user", "ana")["left"]["usd_total"] == pytest.approx(4.7)
        assert standing(desk, "use_case", "menus")["left"]["usd_total"] == pytest.approx(0.7)

    def test_keys_of_one_user_share_what_the_user_may(self, desk: Admission, new_key: NewKey) -> None:
        rule(desk, {"subject": "user", "match": "a*", "requests_per_minute": 3})
        keys = [new_key(owner="ana")[0] for _ in range(3)]
        for key in keys:
            desk.admit(key, Asked())
        told = refusal(desk, keys[0])
        assert "User 'ana' is held to 3 calls a minute." in told.message
        assert told.hint is not None
        assert "the admin may raise requests_per_minute under [[admission.limits]]" in told.hint
        bob, amy = new_key(owner="bob")[0], new_key(owner="amy")[0]
        assert desk.admit(bob, Asked()) is FREE
        assert desk.admit(amy, Asked()) is not FREE


class TestUseCases:
    def test_limits_of_a_use_case_bind_all_its_keys_at_once_when_it_gets_them(
        self, desk: Admission, use_cases: UseCaseTable, new_key: NewKey
    ) -> None:
        use_cases.listen(lambda one: desk.hold_use_case(one) and None)
        keys = [new_key(use_case="menus")[0] for _ in range(2)]
        assert desk.admit(keys[0], Asked()) is FREE
        menus = UseCase("menus", owner="ana", data_class="internal", limits=Limits(requests_per_minute=2))
        use_cases.put(menus)
        for key in keys:
            desk.admit(key, Asked())
        assert "Use case 'menus' is held to 2 calls a minute." in refusal(desk, keys[1]).message
        use_cases.put(replace(menus, limits=Limits(requests_per_minute=3)))
        desk.admit(keys[1], Asked())
        refusal(desk, keys[0])

    def test_what_it_had_spent_before_is_added(self, desk: Admission, use_cases: UseCaseTable, ana: Key) -> None:
        menus = UseCase("menus", owner="ana", data_class="internal", budget=Budget(usd_total=10.0))
        use_cases.put(menus)
        assert desk.hold_use_case(menus), "it is counted from now on only"
        desk.admit(ana, Asked()).settle(cost_usd=1.0, tokens=1)
        desk.add_history("menus", Spent(total=4.0))
        assert standing(desk, "use_case", "menus")["left"]["usd_total"] == 5.0
        assert not desk.hold_use_case(menus)


class TestPlaces:
    def test_a_provider_that_takes_no_more_leaves_the_call_to_another(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "provider", "match": "small", "concurrent": 1})
        first, second = desk.admit(ana, Asked()), desk.admit(ana, Asked())
        first.cover(Asked(), at("small"), DOLLAR, model="fast")
        with pytest.raises(LimitExceeded) as caught:
            second.cover(Asked(), at("small"), DOLLAR, model="fast")
        assert second.elsewhere
        assert "Provider 'small'" in caught.value.message
        second.cover(Asked(), at("large"), DOLLAR, model="fast")
        assert not second.elsewhere
        first.release()
        second.cover(Asked(), at("small"), DOLLAR, model="fast")
        assert standing(desk, "provider", "small")["used"]["concurrent"] == 1
        second.cover(Asked(), at("large"), DOLLAR, model="fast")
        assert standing(desk, "provider", "small")["used"]["concurrent"] == 0

    def test_what_a_provider_was_held_for_is_given_back_when_the_call_goes_elsewhere(
        self, desk: Admission, ana: Key
    ) -> None:
        rule(desk, {"subject": "provider", "usd_per_day": 1.0, "tokens_per_minute": 1000})
        ticket = desk.admit(ana, Asked())
        ticket.cover(Asked(), at("a"), DOLLAR, model="fast")
        ticket.cover(Asked(), at("b"), DOLLAR, model="fast")
        assert standing(desk, "provider", "a")["left"] == {"tokens_per_minute": 1000, "usd_per_day": 1.0}
        assert standing(desk, "provider", "b")["left"]["usd_per_day"] == pytest.approx(0.4)
        ticket.settle(cost_usd=0.25, tokens=70)
        assert standing(desk, "provider", "a")["used"]["usd_total"] == 0.0
        assert standing(desk, "provider", "b")["left"] == {"tokens_per_minute": 930, "usd_per_day": 0.75}

    def test_what_a_provider_charged_is_its_own_where_another_takes_no_more(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "provider", "usd_total": 1.0})
        first, second = desk.admit(ana, Asked()), desk.admit(ana, Asked())
        first.cover(Asked(), at("a"), DOLLAR, model="fast")
        second.cover(Asked(), at("b"), DOLLAR, model="fast")
        with pytest.raises(BudgetExhausted):
            second.cover(Asked(), at("a"), DOLLAR, model="fast")
        assert second.elsewhere
        second.settle(cost_usd=0.5, tokens=1)
        assert standing(desk, "provider", "a")["left"]["usd_total"] == pytest.approx(0.4)
        assert standing(desk, "provider", "b")["used"]["usd_total"] == 0.5
        first.release()
        assert standing(desk, "provider", "a")["left"]["usd_total"] == 1.0

    def test_a_model_that_stands_in_is_counted_too(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "model", "usd_total": 1.0})
        ticket = desk.admit(ana, Asked())
        ticket.cover(Asked(), at("p"), DOLLAR, model="backup")
        ticket.settle(cost_usd=0.5, tokens=1)
        assert standing(desk, "model", "fast")["used"]["usd_total"] == 0.5
        assert standing(desk, "model", "backup")["used"]["usd_total"] == 0.5

    def test_invented_names_share_one_counter_in_the_end(
        self, desk: Admission, ana: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workbench.gateway.admission.admission._MOST_NAMED", 3)
        rule(desk, {"subject": "model", "requests_per_minute": 2})
        for number in range(5):
            desk.admit(ana, Asked(model=f"m{number}"))
        assert "any other" in refusal(desk, ana, Asked(model="m9")).message
        desk.admit(ana, Asked(model="m0"))


class TestTimes:
    def test_calls_by_the_second_come_in_bursts_and_then_at_their_rate(
        self, desk: Admission, ana: Key, clock: list[float]
    ) -> None:
        rule(desk, {"subject": "user", "requests_per_second": 2, "burst": 5})
        for _ in range(5):
            desk.admit(ana, Asked())
        assert "2 calls a second, 5 at once" in refusal(desk, ana).message
        passed = 0
        for _ in range(80):
            clock[0] += 0.125
            with contextlib.suppress(LimitExceeded):
                desk.admit(ana, Asked())
                passed += 1
        assert passed == 20
        clock[0] += 3600
        for _ in range(5):
            desk.admit(ana, Asked())
        refusal(desk, ana)

    def test_a_limit_by_the_day_ends_with_the_day_and_a_clock_that_steps_back_begins_none_again(
        self, desk: Admission, ana: Key, clock: list[float]
    ) -> None:
        rule(desk, {"subject": "user", "requests_per_day": 2})
        clock[0] = MIDNIGHT + DAY - 10
        for _ in range(2):
            desk.admit(ana, Asked())
        told = refusal(desk, ana)
        assert told.retry_after is not None
        assert 10 <= told.retry_after <= 12
        clock[0] += told.retry_after
        desk.admit(ana, Asked())
        clock[0] -= 7200
        desk.admit(ana, Asked())
        refusal(desk, ana)
        clock[0] += 7200
        refusal(desk, ana)

    def test_tokens_of_a_day_are_those_that_were_used(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "user", "tokens_per_day": 1000})
        first = desk.admit(ana, Asked(size=2000, output_limit=300))
        assert "1000 tokens a day" in refusal(desk, ana, Asked(size=1000)).message
        first.settle(cost_usd=0.0, tokens=120)
        assert standing(desk, "user", "ana")["left"]["tokens_per_day"] == 880
        desk.admit(ana, Asked(size=1000))

    def test_a_call_over_midnight_is_of_the_day_in_which_it_ends(
        self, desk: Admission, ana: Key, clock: list[float]
    ) -> None:
        clock[0] = MIDNIGHT + DAY - 1
        rule(desk, {"subject": "user", "tokens_per_day": 1000, "usd_per_day": 10.0})
        ticket = desk.admit(ana, Asked())
        ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
        clock[0] += 2
        ticket.settle(cost_usd=0.5, tokens=100)
        left = standing(desk, "user", "ana")["left"]
        assert left == {"tokens_per_day": 900, "usd_per_day": 9.5}

    def test_what_the_ledger_has_of_today_counts_after_a_restart(
        self, desk: Admission, ana: Key, clock: list[float]
    ) -> None:
        today = Spent(total=9.0, day=2.0, month=5.0, requests_day=3, tokens_day=700, at=clock[0])
        limits = {"subject": "user", "requests_per_day": 5, "tokens_per_day": 1000, "usd_per_day": 4.0}
        rule(desk, limits, spent={"user": {"ana": today, "eve": today}})
        desk.admit(ana, Asked(size=4, output_limit=1)).release()
        left = standing(desk, "user", "ana")["left"]
        assert left == {"requests_per_day": 1, "tokens_per_day": 300, "usd_per_day": 2.0}
        clock[0] += DAY
        eve = replace(ana, id="key_eve", hash=b"eve", owner="eve")
        desk.admit(eve, Asked(size=4, output_limit=1)).release()
        left = standing(desk, "user", "eve")["left"]
        assert left == {"requests_per_day": 4, "tokens_per_day": 1000, "usd_per_day": 4.0}


class TestShadow:
    def test_a_limit_in_shadow_mode_counts_what_it_would_refuse_and_refuses_nothing(
        self, desk: Admission, ana: Key, heard: list[Notice]
    ) -> None:
        rule(desk, {"subject": "user", "requests_per_minute": 2, "usd_total": 1.0, "shadow": True})
        for _ in range(5):
            ticket = desk.admit(ana, Asked())
            ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
            assert ticket.headers() == []
            ticket.settle(cost_usd=0.6, tokens=1)
        assert standing(desk, "user", "ana")["shadow_refusals"] == 4
        assert standing(desk, "user", "ana")["used"]["usd_total"] == 0.6
        assert [notice.kind for notice in heard] == ["limit_shadow"], "told once a day"
        assert desk.holding(ana, models=[], providers=[]) == []

    def test_it_asks_for_no_price_and_stops_no_key(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "user", "usd_total": 1.0, "shadow": True})
        ticket = desk.admit(ana, Asked())
        asked = Asked()
        assert ticket.cover(asked, at("p"), Entry(), model="fast") is asked
        assert ticket.settle(cost_usd=50.0, tokens=1) is False
        rule(desk, {"subject": "user", "usd_total": 1.0})
        with pytest.raises(PriceUnknown, match="user 'ana' has a budget"):
            desk.admit(ana, asked).cover(asked, at("p"), Entry(), model="fast")


class TestHeaders:
    def test_the_tightest_limit_is_told(self, desk: Admission, new_key: NewKey) -> None:
        key, _ = new_key(owner="ana", limits=Limits(requests_per_minute=100, tokens_per_minute=500))
        rule(
            desk,
            {"subject": "user", "requests_per_minute": 10, "tokens_per_day": 9000},
            {"subject": "model", "requests_per_second": 50, "burst": 60},
        )
        ticket = desk.admit(key, Asked())
        told = dict(ticket.headers())
        assert told[b"x-ratelimit-limit-requests"] == b"10"
        assert told[b"x-ratelimit-remaining-requests"] == b"9"
        assert told[b"x-ratelimit-limit-tokens"] == b"500"
        assert told[b"x-ratelimit-remaining-tokens"] == b"425"

    def test_a_call_that_was_not_let_in_is_told_them_too(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "model", "requests_per_minute": 1})
        desk.admit(ana, Asked())
        refusal(desk, ana)
        assert dict(desk.headers(ana, "fast"))[b"x-ratelimit-remaining-requests"] == b"0"
        assert desk.headers(ana, "other") == [
            (b"x-ratelimit-limit-requests", b"1"),
            (b"x-ratelimit-remaining-requests", b"1"),
            (b"x-ratelimit-reset-requests", b"0s"),
        ]

    def test_of_a_provider_that_is_full_its_limit_is_told(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "provider", "requests_per_minute": 1})
        desk.admit(ana, Asked()).cover(Asked(), at("p"), DOLLAR, model="fast")
        ticket = desk.admit(ana, Asked())
        with pytest.raises(LimitExceeded):
            ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
        assert dict(ticket.headers())[b"x-ratelimit-remaining-requests"] == b"0"


def spend(desk: Admission, key: Key, usd: float) -> None:
    ticket = desk.admit(key, Asked())
    ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
    ticket.settle(cost_usd=usd, tokens=1)


class TestWarnings:
    def test_each_threshold_is_told_once(self, desk: Admission, ana: Key, heard: list[Notice]) -> None:
        rule(desk, {"subject": "user", "usd_total": 4.0, "usd_per_day": 100.0})
        for _ in range(6):
            spend(desk, ana, 0.59)
        with pytest.raises(BudgetExhausted):
            spend(desk, ana, 0.59)
        with pytest.raises(BudgetExhausted):
            spend(desk, ana, 0.59)
        assert [(one.kind, one.details["percent"], one.details["part"]) for one in heard] == [
            ("budget", 50, "usd_total"), ("budget", 80, "usd_total"), ("budget", 100, "usd_total"),
        ]  # fmt: skip
        assert len({one.once for one in heard}) == 3
        assert "user 'ana'" in heard[0].text

    def test_a_new_day_warns_anew(self, desk: Admission, ana: Key, heard: list[Notice], clock: list[float]) -> None:
        rule(desk, {"subject": "user", "usd_per_day": 1.0})
        spend(desk, ana, 0.55)
        clock[0] += DAY
        spend(desk, ana, 0.55)
        assert [one.details["percent"] for one in heard] == [50, 50]
        assert len({one.once for one in heard}) == 2

    def test_a_call_too_dear_for_a_budget_that_is_hardly_used_warns_nobody(
        self, desk: Admission, ana: Key, heard: list[Notice]
    ) -> None:
        rule(desk, {"subject": "user", "usd_total": 0.5})
        with pytest.raises(BudgetExhausted):
            spend(desk, ana, 0.0)
        assert heard == []

    def test_a_bill_over_what_was_held_is_told_and_stops_the_key(
        self, desk: Admission, ana: Key, heard: list[Notice]
    ) -> None:
        rule(desk, {"subject": "user", "usd_total": 100.0})
        ticket = desk.admit(ana, Asked())
        ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
        assert ticket.settle(cost_usd=7.0, tokens=1) is True
        assert standing(desk, "user", "ana")["left"]["usd_total"] == 93.0
        assert [(one.kind, one.details["key_id"]) for one in heard] == [("budget_overrun", ana.id)]
        stopped = replace(ana, stopped="budget_overrun")
        assert refusal(desk, stopped).error_code == "budget_overrun"


class TestRaises:
    def raised(self, clock: list[float], usd: float, *, hours: float = 1.0) -> Raise:
        return Raise(
            "raise_1", Subject("user", "ana"), Budget(usd_total=usd), until=clock[0] + hours * 3600,
            reason="a demo", by="root", created_at=clock[0],
        )  # fmt: skip

    def test_a_raise_holds_at_once_and_ends_by_itself(self, desk: Admission, ana: Key, clock: list[float]) -> None:
        rule(desk, {"subject": "user", "usd_total": 1.0})
        spend(desk, ana, 0.5)
        with pytest.raises(BudgetExhausted):
            spend(desk, ana, 0.5)
        desk.raise_budgets([self.raised(clock, 2.0)])
        assert standing(desk, "user", "ana")["left"]["usd_total"] == 2.5
        spend(desk, ana, 0.5)
        clock[0] += 3601
        assert standing(desk, "user", "ana")["left"]["usd_total"] == 0.0
        with pytest.raises(BudgetExhausted):
            spend(desk, ana, 0.5)

    def test_a_raise_that_is_taken_back_holds_no_more(self, desk: Admission, ana: Key, clock: list[float]) -> None:
        rule(desk, {"subject": "user", "usd_total": 1.0})
        desk.raise_budgets([self.raised(clock, 2.0)])
        spend(desk, ana, 0.5)
        assert standing(desk, "user", "ana")["left"]["usd_total"] == 2.5
        desk.raise_budgets([])
        assert standing(desk, "user", "ana")["left"]["usd_total"] == 0.5

    def test_after_a_raise_thresholds_are_told_of_the_larger_budget(
        self, desk: Admission, ana: Key, heard: list[Notice], clock: list[float]
    ) -> None:
        rule(desk, {"subject": "user", "usd_total": 1.0})
        spend(desk, ana, 0.55)
        desk.raise_budgets([self.raised(clock, 1.0)])
        spend(desk, ana, 0.55)
        assert [(one.details["percent"], one.details["cap_usd"]) for one in heard] == [(50, 1.0), (50, 2.0)]


class TestCheaper:
    def test_policy_names_the_model_that_takes_over(self, desk: Admission, ana: Key) -> None:
        rule(
            desk,
            {
                "subject": "model",
                "match": "fast",
                "usd_total": 0.5,
                "requests_per_minute": 9,
                "when_exhausted": "small",
            },
            {"subject": "model", "match": "small", "requests_per_minute": 3},
        )
        ticket = desk.admit(ana, Asked())
        with pytest.raises(BudgetExhausted):
            ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
        assert ticket.instead == "small"
        ticket.turn_to("small")
        ticket.cover(Asked(), at("p"), DOLLAR, model="small")
        ticket.settle(cost_usd=0.4, tokens=1)
        assert standing(desk, "model", "fast")["used"] == pytest.approx(
            {"usd_day": 0, "usd_month": 0, "usd_total": 0, "usd_held": 0, "concurrent": 0}
        )
        assert standing(desk, "model", "small")["used"]["usd_total"] == 0.4

    def test_a_use_case_may_have_such_a_policy(self, desk: Admission, use_cases: UseCaseTable, ana: Key) -> None:
        menus = UseCase(
            "menus", owner="ana", data_class="internal", budget=Budget(usd_total=0.5), when_exhausted="small"
        )
        use_cases.put(menus)
        ticket = desk.admit(ana, Asked())
        with pytest.raises(BudgetExhausted):
            ticket.cover(Asked(), at("p"), DOLLAR, model="fast")
        assert ticket.instead == "small"


class TestChanges:
    def test_new_rules_hold_at_once_and_what_was_counted_stays(self, desk: Admission, ana: Key) -> None:
        rule(desk, {"subject": "user", "requests_per_minute": 5})
        for _ in range(3):
            desk.admit(ana, Asked())
        rule(desk, {"subject": "user", "requests_per_minute": 3})
        refusal(desk, ana)
        rule(desk, {"subject": "user", "requests_per_minute": 4})
        desk.admit(ana, Asked())
        rule(desk)
        assert desk.admit(ana, Asked()) is FREE

    def test_a_budget_that_comes_while_a_call_is_on_its_way_is_charged_what_the_call_costs(
        self, desk: Admission, new_key: NewKey
    ) -> None:
        key, _ = new_key(limits=Limits(concurrent=5))
        desk.hold_to(key)
        ticket = desk.admit(key, Asked())
        desk.hold_to(replace(key, budget=Budget(usd_total=1.0)))
        ticket.settle(cost_usd=0.25, tokens=1)
        assert desk.left(key)["usd_total"] == 0.75
        desk.hold_to(replace(key, budget=NO_BUDGET))
        assert desk.left(key) == {"concurrent": 5}
