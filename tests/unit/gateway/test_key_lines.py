"""A line of rotated keys is one account, and grows neither in memory nor on disk, however often it is rotated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BudgetExhausted, Conflict, LimitExceeded, NotFound
from workbench.gateway.access import keys as keys_room
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import ExplorationWish, Issuer, KeyChange, KeyWish, RotationWish
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.measured import BySize
from workbench.gateway.admission.subject import Raise, Subject
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.ledger.reports import Spent
from workbench.gateway.routing.models import Deployment
from workbench.gateway.state import SCHEMA_VERSION, State, schema_table
from workbench.settings import ExplorationPolicy
from workbench.wire.usage import Usage

NewKey = Callable[..., tuple[Key, str]]
ANA = Identity("ana")
SOON = RotationWish(overlap_seconds=60)
WHERE = Deployment(provider="p", kind="openai", model="m")
DOLLAR = Entry(Rate(TokenPrices(0.01, 0.01, 0.01, 0.01), "settings"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_800_000_000.0]
    monkeypatch.setattr(keys_room.time, "time", lambda: now[0])
    return now


class Room:
    """The keys of one process."""

    def __init__(self, state: State, **policy: int) -> None:
        self.table, self.store, self.ended = KeyTable(), KeyStore(state), list[str]()
        self.issuer = Issuer(
            keys=self.table, store=self.store, policy=ExplorationPolicy(expires_in=3600, **policy),
            revoked=lambda key: self.ended.append(key.id),
        )  # fmt: skip

    def first(self, **wish: object) -> Key:
        issuing = self.issuer.issue(KeyWish(kind="exploration", **wish), ANA)  # type: ignore[arg-type]
        return asyncio.run(issuing).key

    def rotate(self, key: Key, wish: RotationWish = SOON) -> Key:
        return asyncio.run(self.issuer.rotate(key.id, wish, owner=ANA)).key

    def kept(self) -> int:
        return len(self.store.load())


def test_a_line_that_is_rotated_for_days_leaves_little_behind(tmp_path: Path, clock: list[float]) -> None:
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    state.open()
    room = Room(state)
    first = key = room.first(expires_in=7201, budget=Budget(usd_total=1))
    for _ in range(40):
        clock[0] += 7200
        key = room.rotate(key)
    assert key.account == first.id
    assert len(room.table.line(first.id)) < 10
    assert room.kept() < 86400 / 7200 + 5
    assert room.store.get(first.id) is not None, "the line's name is nobody's"
    assert room.table.owned_by("ana")[0].id == key.id
    state.close()


def test_an_account_is_counted_once_among_the_keys_that_one_may_have(state: State) -> None:
    room = Room(state, most_live=2)
    key = asyncio.run(room.issuer.exploration(ExplorationWish(), ANA)).key
    for _ in range(4):
        key = room.rotate(key)
    asyncio.run(room.issuer.exploration(ExplorationWish(), ANA))
    with pytest.raises(Conflict):
        asyncio.run(room.issuer.exploration(ExplorationWish(), ANA))


def test_no_line_has_more_living_keys_than_it_needs(state: State) -> None:
    room = Room(state)
    key = room.first()
    for _ in range(15):
        room.rotate(key, RotationWish(overlap_seconds=3600))
    with pytest.raises(Conflict) as caught:
        room.rotate(key, RotationWish(overlap_seconds=3600))
    assert caught.value.error_code == "too_many_keys"
    assert len(room.table.live_of("ana")) == 16


def test_a_key_that_ends_with_a_lease_is_rotated_and_the_new_one_ends_with_it(state: State) -> None:
    room = Room(state)
    key = asyncio.run(room.issuer.exploration(ExplorationWish(lease="a1"), ANA)).key
    new = room.rotate(key)
    assert {one.id for one in room.table.leased()["a1"]} == {key.id, new.id}


def test_a_key_that_another_process_made_is_ended_with_its_line_here(state: State) -> None:
    here, there = Room(state), Room(state)
    first = here.first()
    there.table.put(first)
    second = there.rotate(first)
    third = there.rotate(second)
    assert here.table.get(third.id) is None
    asyncio.run(here.issuer.revoke(third.id, ANA))
    assert {key.id for key in here.store.load() if key.revoked_at is not None} == {first.id, second.id, third.id}
    assert {first.id, second.id, third.id} <= set(here.ended)
    with pytest.raises(NotFound):
        asyncio.run(here.issuer.revoke(third.id, Identity("bob")))
    with pytest.raises(Conflict):
        there.rotate(third)


def test_what_is_changed_of_one_key_holds_for_its_line(state: State) -> None:
    room = Room(state)
    first = room.first(limits=Limits(concurrent=2))
    second = room.rotate(first)
    change = KeyChange(budget=Budget(usd_total=3), limits=Limits(concurrent=5), note="mine")
    asyncio.run(room.issuer.change(first.id, change))
    for known in (room.table.get(second.id), room.store.get(second.id)):
        assert known is not None
        assert (known.limits.concurrent, known.budget.usd_total, known.note) == (5, 3, "")


async def test_a_stop_is_the_whole_lines_and_outlives_the_process(state: State) -> None:
    room = Room(state)
    first = (await room.issuer.issue(KeyWish(kind="exploration", budget=Budget(usd_total=1)), ANA)).key
    second = (await room.issuer.rotate(first.id, SOON, owner=ANA)).key
    room.issuer.stop(first.id, "budget_overrun")
    await asyncio.gather(*room.issuer._keeping)
    assert {key.stopped for key in room.store.load()} == {"budget_overrun"}
    third = (await room.issuer.rotate(second.id, SOON, owner=ANA)).key
    assert third.stopped == "budget_overrun"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_database_of_this_version_from_before_there_were_accounts_gets_them(tmp_path: Path, new_key: NewKey) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    state.open()
    key, _ = new_key()
    KeyStore(state).add(key)
    with state.transaction() as connection:
        connection.exec_driver_sql("DROP INDEX ix_keys_account")
        for table in ("keys", "settlements"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN account")
    state.close()
    for _ in range(2):
        again = State(url)
        again.open()
        assert [one.account for one in KeyStore(again).load()] == [key.id]
        again.close()
    room = Room(State(url))
    room.table.put(key)
    assert room.rotate(key).account == key.id
    with room.store._state.transaction() as connection:
        assert connection.execute(sa.select(schema_table.c.version)).scalars().all() == [SCHEMA_VERSION]
        assert "ix_keys_account" in {index["name"] for index in sa.inspect(connection).get_indexes("keys")}


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1), st.booleans()), max_size=25), rotate=st.data())
def test_all_keys_of_a_line_draw_on_one_gauge(steps: list[tuple[int, float, bool]], rotate: st.DataObject) -> None:
    table = KeyTable()
    desk = Admission(table)
    line = [Key(id="key_0", hash=b"0", kind="exploration", owner="ana", note="", created_at=1.0, expires_at=None,
                limits=Limits(concurrent=3), budget=Budget(usd_total=2.0))]  # fmt: skip
    table.put(line[0])
    desk.load(line, {"key_0": Spent(total=0.5)})
    open_, spent = [], 0.5
    for which, share, goes_on in steps:
        if rotate.draw(st.booleans()):
            number = len(line)
            line.append(replace(line[-1], id=f"key_{number}", hash=b"%d" % number, created_at=1.0 + number))
            table.put(line[-1])
            desk.hold_to(line[-1])
        try:
            ticket = desk.admit(line[which % len(line)], BySize(Usage(input_tokens=50), output_limit=0))
        except LimitExceeded:
            assert len(open_) == 3 or spent > 0
        else:
            open_.append(ticket)
            try:
                ticket.cover(BySize(Usage(input_tokens=50), output_limit=0), WHERE, DOLLAR)
            except BudgetExhausted:
                open_.pop().release()
        while open_ and not goes_on:
            ticket = open_.pop()
            ticket.settle(cost_usd=0.5 * share, tokens=10)
            spent += 0.5 * share
        assert len(open_) <= 3
        assert spent + 0.5 * len(open_) <= 2.0 + 1e-9
        assert len({desk.left(key)["usd_total"] for key in line}) == 1
        assert desk.left(line[-1])["usd_total"] == pytest.approx(2.0 - spent - 0.5 * len(open_))


def test_a_raise_for_any_key_of_a_line_is_the_accounts(new_key: NewKey) -> None:
    table = KeyTable()
    first, _ = new_key(budget=Budget(usd_total=1.0))
    second = replace(first, id="key_second", hash=b"2", created_at=2.0)
    for key in (first, second):
        table.put(key)
    desk = Admission(table)
    desk.load([first, second], {})
    subject = desk.subject("key", second.id)
    assert subject == Subject("key", first.id)
    desk.raise_budgets([
        Raise("raise_1", subject, Budget(usd_total=2.0), until=1e12, reason="", by="root", created_at=1.0)
    ])  # fmt: skip
    assert desk.left(first)["usd_total"] == desk.left(second)["usd_total"] == 3.0
