"""Alerts: what is noticed, kept and delivered, each occasion once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from workbench.gateway.alerts.book import AlertBook
from workbench.gateway.alerts.checks import Costs, ErrorRates, states
from workbench.gateway.alerts.cost_book import CostBook
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.notices import Notice
from workbench.gateway.request_id import new_request_id
from workbench.gateway.state import State
from workbench.gateway.times import utc_now
from workbench.settings.alerts import CostRule, ErrorRateRule

NOTICE = Notice("cost", "cost ana 2026-11", "Calls of ana have cost a lot.", {"usd": 12.0})


@pytest.fixture
def book(state: State) -> AlertBook:
    return AlertBook(state)


def test_an_occasion_is_kept_once_and_goes_to_each_destination_once(book: AlertBook) -> None:
    book.keep(NOTICE, ["ops", "team"])
    book.keep(NOTICE, ["ops", "team"])
    (ops, team) = book.due()
    assert {ops.destination, team.destination} == {"ops", "team"}
    assert ops.id == team.id
    assert ops.notice == NOTICE
    book.sent(ops)
    book.failed(team, "it is closed", again_in=3600)
    assert book.due() == []
    (told,) = book.latest(10)
    assert {one["destination"]: one["error"] for one in told["deliveries"]} == {"ops": None, "team": "it is closed"}


def test_what_went_out_before_it_could_be_kept_is_not_sent_again(book: AlertBook) -> None:
    book.keep(NOTICE, ["ops", "team"], sent=["ops"])
    assert [delivery.destination for delivery in book.due()] == ["team"]


def test_one_process_delivers_until_it_gives_the_lease_back(book: AlertBook) -> None:
    assert book.take_lease("one")
    assert not book.take_lease("two")
    assert book.take_lease("one")
    book.give_back("one")
    assert book.take_lease("two")


def test_many_processes_that_see_one_outage_begin_one_episode(state: State) -> None:
    begun: list[int] = []
    start = threading.Barrier(4)

    def see() -> None:
        start.wait()
        number = AlertBook(state).episode("outage of acme", goes_on=True)
        if number is not None:
            begun.append(number)

    threads = [threading.Thread(target=see) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == [1]
    book = AlertBook(state)
    assert book.open_episodes() == {"outage of acme"}
    assert book.episode("outage of acme", goes_on=False) is None
    assert book.episode("outage of acme", goes_on=True) == 2


def totals(ok: int, failed: int, callers: int = 0) -> dict[tuple[str, ...], list[int]]:
    return {
        ("calls", "fast", "acme", "", "ok", ""): [ok],
        ("calls", "fast", "acme", "", "failed", "provider_error"): [failed],
        ("calls", "fast", "acme", "", "failed", "refused_by_provider"): [callers],
        ("calls", "fast", "", "", "refused", "rate_limit_exceeded"): [1000],
    }


def test_an_error_rate_is_that_of_the_last_minutes_and_ends_with_them() -> None:
    rates = ErrorRates(ErrorRateRule(share=0.5, seconds=60, calls=10))

    def goes_on(now: float, ok: int, failed: int, callers: int = 0) -> bool:
        (condition,) = rates.look(totals(ok, failed, callers), now)
        return condition.goes_on

    assert not goes_on(0, 1000, 900)  # what was before the first look says nothing
    assert not goes_on(30, 1000, 905)  # too few
    assert goes_on(35, 1005, 911)
    assert not goes_on(40, 1005, 911, callers=50)  # what callers do wrong is no failure, and is a call
    assert not goes_on(200, 1100, 911, callers=50)


def test_states_tell_of_providers_and_of_the_ledger() -> None:
    found = {one.subject: one.goes_on for one in states({
        ("gauge", "provider_down", "acme"): [1], ("gauge", "provider_down", "other"): [0],
        ("gauge", "ledger_failing", ""): [1], ("gauge", "in_flight", ""): [7],
    })}  # fmt: skip
    assert found == {"provider_outage acme": True, "provider_outage other": False, "ledger failing": True}


async def test_cost_is_the_sum_of_all_gateways_on_one_state_database(tmp_path: Path, state: State) -> None:
    rules = [CostRule(usd=1.0, period="month", subject="use_case")]
    spools = [Spool(tmp_path / name) for name in ("a", "b")]
    costs = []
    for spool in spools:
        spool.open()
        costs.append(Costs(rules, spool.path, CostBook(state)))

    async def spend(number: int, usd: float, use_case: str) -> list[Notice]:
        row = LedgerRow(
            request_id=new_request_id(), time=utc_now(), stage="staging", path="/v1/x", cost_usd=usd, use_case=use_case
        )
        await spools[number].write(row)
        return await asyncio.to_thread(costs[number].look)

    try:
        assert await spend(0, 0.75, "menus") == []
        assert await spend(1, 0.75, "search") == []
        assert await spend(1, 0.125, "menus") == []
        (here,) = await spend(1, 0.25, "menus")
        assert here.details["usd"] == pytest.approx(1.125)
        (there,) = await asyncio.to_thread(costs[0].look)
        assert there.once == here.once, "it is one occasion, whoever tells of it"
        again = Costs(rules, spools[0].path, CostBook(state))
        assert [one.once for one in await asyncio.to_thread(again.look)] == [here.once], "nothing is counted twice"
        book, month = CostBook(state), utc_now()[:7]
        of_menus = ("use_case", "menus", month)
        assert book.share("c", {of_menus: 5.0}, since=month)[of_menus] == pytest.approx(1.125)
        assert book.share("c", {}, since=month)[of_menus] == pytest.approx(1.125), "a ledger writes its own rows only"
        (now,) = await asyncio.to_thread(again.look)
        assert now.details["usd"] == pytest.approx(1.125), "what was taken back counts no more"
        assert book.share("c", {}, since="9999-01") == {}, "what is past is forgotten"
    finally:
        for spool in spools:
            await asyncio.to_thread(spool.close)


async def test_cost_is_counted_from_the_ledger_and_only_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.open()
    numbers = iter(range(100))

    async def spend(usd: float, **fields: object) -> None:
        row = LedgerRow(
            request_id=f"req_{next(numbers)}", time=utc_now(), stage="staging", path="/v1/x", cost_usd=usd, **fields
        )  # type: ignore[arg-type]
        await spool.write(row)

    rules = [CostRule(usd=1.0, period="month", subject="use_case"), CostRule(usd=100.0)]
    costs = Costs(rules, spool.path)
    try:
        await spend(0.75, use_case="menus")
        assert await asyncio.to_thread(costs.look) == []
        await spend(0.75, use_case="search")
        assert await asyncio.to_thread(costs.look) == []
        await spend(0.5, use_case="menus")
        (notice,) = await asyncio.to_thread(costs.look)
        assert notice.details["name"] == "menus"
        assert notice.details["usd"] == pytest.approx(1.25)
        again = await asyncio.to_thread(Costs(rules, spool.path).look)
        assert [one.once for one in again] == [notice.once], "after a restart it is the same occasion"
        await spend(99.0)
        assert {one.details["subject"] for one in await asyncio.to_thread(costs.look)} == {"use_case", "all"}
    finally:
        await asyncio.to_thread(spool.close)
