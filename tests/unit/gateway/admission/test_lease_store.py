"""Leases of money in the state database: booked from ledger rows, given back, or settled once as lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key
from workbench.gateway.admission.deposits import all_kept
from workbench.gateway.admission.lease_store import LeaseLost, LeaseStore, Wish
from workbench.gateway.admission.ledger_tail import LedgerTail
from workbench.gateway.admission.subject import Subject
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.request_id import new_request_id
from workbench.gateway.settlement.store import Due, SettlementStore
from workbench.gateway.state import State, money_leases_table
from workbench.gateway.times import utc_now

pytestmark = pytest.mark.anyio
NewKey = Callable[..., tuple[Key, str]]
KEY = Subject("key", "key_1")
CAP = 1_000_000


def wish(need: int, ahead: int = 0, *, subject: Subject = KEY, cap: int = CAP, part: str = "spent") -> Wish:
    return Wish(account=subject.name, subject=subject, caps={part: cap}, need=need, ahead=ahead)


def leased(state: State) -> int:
    with state.transaction() as connection:
        return int(connection.execute(sa.select(sa.func.sum(money_leases_table.c.amount))).scalar_one() or 0)


class Ledger:
    """A ledger that rows are put into as a gateway would."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder, sync="normal")

    async def add(self, cost: int, **fields: object) -> None:
        """Write a row that cost so many picodollars."""
        known = {"key_id": "key_1", "outcome": "ok", "cost_usd": cost / 1e12}
        row = LedgerRow(request_id=new_request_id(), time=utc_now(), stage="staging", path="/v1/chat/completions",
                        **{**known, **fields})  # type: ignore[arg-type]  # fmt: skip
        await self.spool.write(row)

    @property
    def tail(self) -> LedgerTail:
        return LedgerTail(self.spool.path, self.spool.writer)


@pytest.fixture
async def ledger(tmp_path: Path) -> Iterator[Ledger]:  # type: ignore[misc]
    made = Ledger(tmp_path / "ledger")
    made.spool.open()
    yield made
    made.spool.close()


@pytest.fixture
async def store(state: State, ledger: Ledger) -> LeaseStore:
    """The store as process `a` uses it."""
    made = LeaseStore(state, ledger.tail)
    made.enter("a")
    return made


@pytest.fixture
async def other(state: State, ledger: Ledger) -> LeaseStore:
    """The store as process `b` uses it, which writes no rows."""
    made = LeaseStore(state, LedgerTail(ledger.spool.path, "w9"))
    made.enter("b")
    return made


async def test_what_is_leased_is_a_quarter_of_the_rest_at_most_but_never_less_than_needed(
    store: LeaseStore, other: LeaseStore
) -> None:
    assert store.draw("a", wish(10, 10**9), rest=False).granted == CAP // 4
    assert other.draw("b", wish(10, 100), rest=False).granted == 100
    assert other.draw("b", wish(700_000, 10**9), rest=False).granted == 700_000


async def test_rows_are_booked_in_the_place_of_the_lease_and_the_rest_comes_back(
    store: LeaseStore, ledger: Ledger, state: State
) -> None:
    store.draw("a", wish(1000), rest=False)
    await ledger.add(300)
    await ledger.add(200, outcome="client_left")
    await ledger.add(7, key_id="another")
    told = store.look("a", {})["key_1"]
    assert (told.spent, told.spent_day, told.spent_month, told.mine) == (500, 500, 500, 500)
    told = store.look("a", {"key_1": (500, 0)})["key_1"]
    assert (told.spent, told.mine) == (500, 0)
    assert leased(state) == 0
    assert store.look("a", {}) == {}


async def test_a_new_account_begins_with_what_the_ledger_tells_and_books_nothing_twice(
    store: LeaseStore, other: LeaseStore, ledger: Ledger
) -> None:
    await ledger.add(300)
    assert store.draw("a", wish(1), rest=False).spent == 300
    await ledger.add(50)
    assert store.look("a", {})["key_1"].spent == 350
    assert other.draw("b", wish(1), rest=False).spent == 350


async def test_every_budget_of_a_row_is_booked(store: LeaseStore, ledger: Ledger) -> None:
    subjects = [
        KEY,
        Subject("use_case", "menu"),
        Subject("user", "ana"),
        Subject("model", "m"),
        Subject("provider", "p"),
    ]
    for subject in subjects:
        store.draw("a", wish(1000, subject=subject), rest=False)
    await ledger.add(400, use_case="menu", owner="ana", model="m", provider="p")
    told = store.look("a", {})
    assert {name: (one.spent, one.mine) for name, one in told.items()} == {s.name: (400, 600) for s in subjects}


async def test_where_too_little_is_left_others_are_asked_to_give_back_first(
    store: LeaseStore, other: LeaseStore
) -> None:
    store.draw("a", wish(CAP - 10), rest=False)
    assert not other.draw("b", wish(CAP + 1), rest=False, wants=True).asked  # nobody could help
    told = other.draw("b", wish(100), rest=False, wants=True)
    assert (told.granted, told.others, told.wanted, told.asked) == (0, CAP - 10, 1, True)
    assert not other.answered("key_1", "b", told.wanted)
    heard = store.look("a", {})["key_1"]
    assert heard.wanted > heard.seen
    store.look("a", {"key_1": (CAP // 2, heard.wanted)})
    assert other.answered("key_1", "b", told.wanted)
    assert other.draw("b", wish(100), rest=False).granted == 100


async def test_the_rest_of_a_budget_can_be_leased_whole(store: LeaseStore, other: LeaseStore) -> None:
    store.draw("a", wish(CAP - 10), rest=False)
    assert other.draw("b", wish(100), rest=True).granted == 10
    assert other.draw("b", wish(100), rest=True).granted == 0


async def test_many_draws_at_once_never_pass_the_cap(state: State, store: LeaseStore, other: LeaseStore) -> None:
    rand = random.Random(5)
    wishes = [wish(need, 8 * need) for need in (rand.randint(1, 90_000) for _ in range(40))]

    def draw(number: int) -> int:
        if number % 2:
            return store.draw("a", wishes[number], rest=True).granted
        return other.draw("b", wishes[number], rest=True).granted

    with ThreadPoolExecutor(6) as threads:
        granted = sum(threads.map(draw, range(len(wishes))))
    assert granted == leased(state) == CAP


def a_due(state: State, number: int) -> str:
    due = Due(kind="batch", provider="p", upstream_id=f"b{number}", account="key_1", owner="ana", created_at=1.0)
    SettlementStore(state).note(due)
    return due.id


async def test_what_is_kept_for_a_batch_is_nobodys_lease_and_outlives_who_began_it(
    store: LeaseStore, other: LeaseStore, ledger: Ledger, state: State
) -> None:
    of_user = Subject("user", "ana")
    store.draw("a", wish(600), rest=False)
    store.draw("a", wish(600, subject=of_user), rest=False)
    due = a_due(state, 1)
    assert store.deposit("a", due, {"key_1": 600, "ana": 600})
    assert not store.deposit("a", due, {"key_1": 600, "ana": 600}), "it is kept once"
    assert leased(state) == 0
    assert other.draw("b", wish(CAP), rest=True).granted == CAP - 600
    (dead,) = other.others("b")
    assert not other.settle(dead, ledger.tail), "nothing was lost"
    assert other.draw("b", wish(1), rest=True).kept == 600
    assert other.draw("b", wish(1, subject=of_user), rest=False).kept == 600
    assert all_kept(state)[of_user] == 600
    assert other.withdraw("b", due, ["key_1", "no account"]) == (600, ["key_1"])
    assert other.withdraw("b", due, ["key_1"]) == (0, [])
    told = other.draw("b", wish(1), rest=True)
    assert (told.kept, told.mine, told.granted) == (0, CAP, 0)


async def test_leases_and_what_is_kept_never_pass_the_cap_together(
    state: State, store: LeaseStore, other: LeaseStore
) -> None:
    stores = {"a": store, "b": other}
    left = dict.fromkeys(stores, 0)
    kept: dict[str, int] = {}
    rand = random.Random(11)
    for number in range(300):
        lessee = rand.choice("ab")
        amount = rand.randint(1, CAP // 5)
        match rand.randint(0, 2):
            case 0:
                left[lessee] += stores[lessee].draw(lessee, wish(amount, 4 * amount), rest=True).granted
            case 1 if amount <= left[lessee]:
                due = a_due(state, number)
                assert stores[lessee].deposit(lessee, due, {"key_1": amount})
                left[lessee] -= amount
                kept[due] = amount
            case _ if kept:
                due = rand.choice(list(kept))
                assert stores[lessee].withdraw(lessee, due, ["key_1"]) == (kept[due], ["key_1"])
                left[lessee] += kept.pop(due)
        told = store.draw("a", wish(CAP + 1), rest=False)
        assert (told.mine, told.others, told.kept) == (left["a"], left["b"], sum(kept.values()))
        assert told.mine + told.others + told.kept <= CAP
    assert kept, "some were kept"
    assert any(left.values())


async def test_the_lease_of_a_dead_process_is_settled_once_and_only_what_no_row_tells_is_lost(
    store: LeaseStore, other: LeaseStore, ledger: Ledger, state: State, new_key: NewKey
) -> None:
    key, _ = new_key(id="key_1", owner="ana", use_case="menu")
    KeyStore(state).add(key)
    store.draw("a", wish(1000), rest=False)
    store.draw("a", wish(1500, subject=Subject("use_case", "menu")), rest=False)
    await ledger.add(300, use_case="menu")
    (dead,) = other.others("b")
    assert other.settle(dead, ledger.tail)
    assert not other.settle(dead, ledger.tail)
    assert leased(state) == 0
    assert sorted(row["cost_usd"] * 1e12 for row in other.due().values()) == pytest.approx([500, 700])
    assert {row.get("key_id"): row["use_case"] for row in other.due().values()} == {"key_1": "menu", None: "menu"}
    assert other.draw("b", wish(1), rest=False).spent == 1000
    assert other.draw("b", wish(1, subject=Subject("use_case", "menu")), rest=False).spent == 1500
    with pytest.raises(LeaseLost):
        store.draw("a", wish(1), rest=False)
    for request_id in other.due():
        other.done(request_id)
    assert other.due() == {}


async def test_a_process_that_ends_well_leaves_nothing(
    store: LeaseStore, other: LeaseStore, ledger: Ledger, state: State
) -> None:
    store.draw("a", wish(1000), rest=False)
    await ledger.add(300)
    store.leave("a")
    assert leased(state) == 0
    assert [one.id for one in store.others(None)] == ["b"]
    assert other.draw("b", wish(1), rest=False).spent == 300


async def test_a_new_day_opens_its_budget_and_a_clock_that_steps_back_opens_or_shuts_none(
    store: LeaseStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    a_day = wish(CAP, part="spent_day")
    store.draw("a", a_day, rest=False)
    await ledger.add(CAP)
    assert store.draw("a", a_day, rest=True).granted == 0
    now[0] -= 5 * 86400
    assert store.draw("a", a_day, rest=True).granted == 0
    now[0] += 86400
    assert store.draw("a", a_day, rest=True).granted == CAP


async def test_another_machines_ledger_is_not_taken_for_ours(ledger: Ledger, tmp_path: Path) -> None:
    tail = ledger.tail
    assert tail.of(str(tmp_path / "nowhere" / "calls.db"), "other", "w0") is None
    same = tail.of("/elsewhere/calls.db", tail.ledger, "w1")
    assert same is not None
    assert (same.path, same.writer) == (tail.path, "w1")
    assert tail.of(str(tail.path), "other", "w0") is None
