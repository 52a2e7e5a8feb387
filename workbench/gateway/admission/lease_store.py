"""Money that a process may spend, written down before it does: accounts and leases in the state database.

An account is one budget. What a process has leased stays open until its ledger rows are booked, it gives the rest back,
or, when the process is dead, whoever notices settles the rest as lost. Each function is one transaction, and blocks.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from workbench.gateway.admission import deposits
from workbench.gateway.admission.calendar import day_of, month_of
from workbench.gateway.admission.ledger_tail import LedgerTail
from workbench.gateway.admission.purse import dollars
from workbench.gateway.admission.subject import KINDS, Subject
from workbench.gateway.ledger.row import SUBJECT_COLUMNS
from workbench.gateway.request_id import new_request_id
from workbench.gateway.state import (
    MONEY,
    State,
    keys_table,
    lessees_table,
    lost_leases_table,
    money_leases_table,
    money_table,
)

_SHARE = 4
"""Of what is left, a quarter at most is leased ahead of need."""
_ACCOUNT = money_table.c
_LEASE = money_leases_table.c
_LESSEE = lessees_table.c
_WHO: sa.BindParameter[str] = sa.bindparam("who")
_WHAT: sa.BindParameter[str] = sa.bindparam("what")
_PLACE: sa.BindParameter[int] = sa.bindparam("place")
# What every draw asks for is put together once: that takes longer than the question.
_READ_TO = sa.select(_LESSEE.read_to).where(_LESSEE.id == _WHO)
_READ = lessees_table.update().where(_LESSEE.id == _WHO).values(read_to=_PLACE, beats=_LESSEE.beats + 1)
_DAY_AND_MONTH = sa.select(_ACCOUNT.day, _ACCOUNT.month).where(_ACCOUNT.account == _WHAT)
_WHATS: sa.BindParameter[list[str]] = sa.bindparam("whats", expanding=True)
_ACCOUNTS = sa.select(money_table).where(_ACCOUNT.account.in_(_WHATS))
_LEASES = sa.select(_LEASE.account, _LEASE.lessee, _LEASE.amount, _LEASE.seen).where(_LEASE.account.in_(_WHATS))
_ITS = sa.and_(_LEASE.lessee == _WHO, _LEASE.account == _WHAT)
_LEASED = sa.select(_LEASE.amount, _LEASE.seen).where(_ITS)
_LEASE_ANEW = (
    money_leases_table.update().where(_ITS).values(amount=sa.bindparam("leased"), seen=sa.bindparam("answered"))
)


class LeaseLost(Exception):
    """The process is not known as a lessee, or not any more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Money that a process wants of one account."""

    account: str
    """The account."""
    subject: Subject
    """Whose budget it is."""
    caps: Mapping[str, int]
    """The parts of the budget by `spent`, `spent_day` and `spent_month`, in picodollars."""
    need: int
    """What it can't do without."""
    ahead: int
    """What it would like to have instead."""


@dataclass(frozen=True, slots=True)
class Told:
    """How an account stands."""

    spent: int
    """Booked in all, in picodollars."""
    spent_day: int
    """Booked in its day."""
    spent_month: int
    """Booked in its month."""
    day: int
    """The day."""
    month: int
    """The month."""
    mine: int
    """Open leases of the process that asked."""
    others: int
    """Open leases of all others."""
    wanted: int
    """How often somebody wanted more than there was."""
    seen: int
    """Which of these wishes the process has answered."""
    kept: int
    """Kept for batches that are not settled."""
    granted: int = 0
    """What was leased just now."""
    asked: bool = False
    """Whether others were asked to give back."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another process that is a lessee."""

    id: str
    """Its id."""
    ledger: str
    """Id of the ledger that it writes."""
    path: str
    """Where it says that this is."""
    writer: str
    """Its name there."""
    beats: int
    """How often it was heard of."""


class LeaseStore:
    """The tables of accounts, lessees and leases, as one process uses them."""

    def __init__(self, state: State, tail: LedgerTail) -> None:
        self._state = state
        self._tail = tail

    def enter(self, lessee: str) -> None:
        """Make this process known, before it leases anything."""
        with self._state.transaction(tells=MONEY) as connection:
            connection.execute(
                lessees_table.insert().values(
                    id=lessee,
                    ledger=self._tail.ledger,
                    path=str(self._tail.path),
                    writer=self._tail.writer,
                    read_to=self._tail.end(),
                    beats=0,
                )
            )

    def leave(self, lessee: str) -> None:
        """Book what was spent, give the rest back, and be known no more; its calls have all ended."""
        with self._state.transaction(tells=MONEY) as connection:
            if self._book(connection, lessee, self._tail):
                connection.execute(money_leases_table.delete().where(_LEASE.lessee == lessee))
                connection.execute(lessees_table.delete().where(_LESSEE.id == lessee))

    def draw(self, lessee: str, wish: Wish, *, rest: bool, wants: bool = False) -> Told:
        """Lease what is needed of an account, or more; where less is left, nothing, or with `rest` all of it.

        With `wants` others are asked to give back what they do not need, where that may help. Raises LeaseLost.
        """
        with self._state.transaction(tells=MONEY) as connection:
            if not self._book(connection, lessee, self._tail):
                raise LeaseLost
            self._open(connection, wish)
            account = _all_told(connection, lessee, [wish.account])[wish.account]
            spent = {"spent": account.spent, "spent_day": account.spent_day, "spent_month": account.spent_month}
            caps = min(cap - spent[name] for name, cap in wish.caps.items())
            room = caps - account.kept - account.mine - account.others
            granted = 0
            if room >= wish.need:
                granted = min(room, max(wish.need, min(wish.ahead, room // _SHARE)))
            elif rest:
                granted = max(0, room)
            asked = wants and granted < wish.need and account.others > 0
            if asked and (rest or room + account.others >= wish.need):
                more = money_table.update().where(_ACCOUNT.account == wish.account)
                connection.execute(more.values(wanted=_ACCOUNT.wanted + 1))
            else:
                asked = False
            if granted:  # a lease that is new answers to no wish that was before it
                _change(connection, lessee, wish.account, granted, seen=0 if account.mine else account.wanted)
            return replace(
                account, mine=account.mine + granted, wanted=account.wanted + asked, granted=granted, asked=asked
            )

    def look(self, lessee: str, back: Mapping[str, tuple[int, int]]) -> dict[str, Told]:
        """Book what was spent, give back amounts, and return how all accounts stand that something is leased of.

        With each amount stands which wish of others it answers. Raises LeaseLost.
        """
        with self._state.transaction(tells=MONEY) as connection:
            if not self._book(connection, lessee, self._tail):
                raise LeaseLost
            query = sa.select(_LEASE.account, _LEASE.seen).where(_LEASE.lessee == lessee)
            mine = connection.execute(query).all()
            for lease in mine:
                amount, seen = back.get(lease.account, (0, 0))
                if amount or seen > lease.seen:
                    _change(connection, lessee, lease.account, -amount, seen=seen)
            told = _all_told(connection, lessee, [lease.account for lease in mine])
            nothing = sa.and_(_LEASE.lessee == lessee, _LEASE.amount <= 0)
            connection.execute(money_leases_table.delete().where(nothing))
        return told

    def deposit(self, lessee: str | None, due_id: str, held: Mapping[str, int]) -> bool:
        """Keep for a thing what calls hold of accounts, which is leased no more; return False where it can't be."""
        with self._state.transaction(tells=MONEY) as connection:
            if not deposits.keep(connection, due_id, max(held.values())):
                return False
            if lessee is not None:
                for account, amount in held.items():
                    _change(connection, lessee, account, -amount)
        return True

    def withdraw(self, lessee: str, due_id: str, accounts: Collection[str]) -> tuple[int, list[str]]:
        """Lease what was kept for a thing; return it, and of which accounts it is leased now. Raises LeaseLost."""
        with self._state.transaction(tells=MONEY) as connection:
            if not self._book(connection, lessee, self._tail):
                raise LeaseLost
            amount = deposits.take(connection, due_id)
            known = sa.select(_ACCOUNT.account).where(_ACCOUNT.account.in_(list(accounts)))
            leased = list(connection.execute(known).scalars()) if amount else []
            for account in leased:
                _change(connection, lessee, account, amount)
        return amount, leased

    def answered(self, account: str, lessee: str, wanted: int) -> bool:
        """Return whether all others have looked at what they could give back since somebody wanted it."""
        with self._state.transaction() as connection:
            behind = sa.select(sa.func.count()).where(
                _LEASE.account == account, _LEASE.lessee != lessee, _LEASE.seen < wanted
            )
            return not connection.execute(behind).scalar_one()

    def others(self, lessee: str | None) -> list[Other]:
        """Return all other lessees."""
        columns = (_LESSEE.id, _LESSEE.ledger, _LESSEE.path, _LESSEE.writer, _LESSEE.beats)
        with self._state.transaction() as connection:
            rows = connection.execute(sa.select(*columns)).all()
        return [Other(*row) for row in rows if row.id != lessee]

    def settle(self, dead: Other, tail: LedgerTail | None) -> bool:
        """Settle the leases of a dead process: what its ledger has no rows of is spent, and a row of it is due.

        `tail` is its ledger, where it can be read. Returns whether anything was lost; once somebody did it, nothing is.
        """
        with self._state.transaction(tells=MONEY) as connection:
            if tail is not None:
                self._book(connection, dead.id, tail)
            leases = connection.execute(
                sa.select(_LEASE.account, _LEASE.amount, _ACCOUNT.kind, _ACCOUNT.name)
                .join(money_table, _ACCOUNT.account == _LEASE.account)
                .where(_LEASE.lessee == dead.id, _LEASE.amount > 0)
            ).all()
            if not connection.execute(lessees_table.delete().where(_LESSEE.id == dead.id)).rowcount:
                return False
            connection.execute(money_leases_table.delete().where(_LEASE.lessee == dead.id))
            lost: dict[Subject, int] = {}
            for row in leases:
                _spend(connection, _ACCOUNT.account == row.account, row.amount)
                subject = Subject(row.kind, row.name)
                lost[subject] = max(lost.get(subject, 0), row.amount)
            for fields in _rows(connection, lost):
                due = {"request_id": new_request_id(), "ledger": self._tail.ledger, "fields": fields}
                connection.execute(lost_leases_table.insert().values(**due))
        return bool(lost)

    def due(self) -> dict[str, dict[str, Any]]:
        """Return the rows that this process's ledger is due, by request id."""
        table = lost_leases_table
        with self._state.transaction() as connection:
            found = connection.execute(sa.select(table).where(table.c.ledger == self._tail.ledger))
            return {row.request_id: row.fields for row in found}

    def done(self, request_id: str) -> None:
        """Note that a row that was due is written."""
        with self._state.transaction(tells=MONEY) as connection:
            connection.execute(lost_leases_table.delete().where(lost_leases_table.c.request_id == request_id))

    def _open(self, connection: sa.Connection, wish: Wish) -> None:
        """Make an account that is new, with what the ledger tells, and turn its day and month."""
        now = time.time()
        day, month = day_of(now), month_of(now)
        known = connection.execute(_DAY_AND_MONTH, {"what": wish.account}).first()
        if known is None:
            read_to = connection.execute(
                sa.select(_LESSEE.writer, _LESSEE.read_to).where(_LESSEE.ledger == self._tail.ledger)
            )
            spent = self._tail.spent(wish.subject, now, {row.writer: row.read_to for row in read_to})
            connection.execute(
                money_table.insert().values(
                    account=wish.account, kind=wish.subject.kind, name=wish.subject.name, wanted=0,
                    day=day, month=month, spent=spent.total, spent_day=spent.day, spent_month=spent.month,
                )
            )  # fmt: skip
            return
        turned: dict[str, int] = {}
        if day != known.day:  # a clock that steps back keeps what was spent: it opens no budget, and none stays shut
            turned |= {"day": day} | ({"spent_day": 0} if day > known.day else {})
        if month != known.month:
            turned |= {"month": month} | ({"spent_month": 0} if month > known.month else {})
        if turned:
            connection.execute(money_table.update().where(_ACCOUNT.account == wish.account).values(**turned))

    def _book(self, connection: sa.Connection, lessee: str, tail: LedgerTail) -> bool:
        """Book what a lessee's ledger tells since the last time; return whether it is one."""
        read_to = connection.execute(_READ_TO, {"who": lessee}).scalar_one_or_none()
        if read_to is None:
            return False
        end, spent = tail.since(read_to)
        connection.execute(_READ, {"who": lessee, "place": end})
        for subject, amount in spent.items():
            whose = sa.and_(_ACCOUNT.kind == subject.kind, _ACCOUNT.name == subject.name)
            if _spend(connection, whose, amount):
                mine = sa.select(_ACCOUNT.account).where(whose)
                for account in connection.execute(mine).scalars().all():
                    _change(connection, lessee, account, -amount)
        return True


def _all_told(connection: sa.Connection, lessee: str, accounts: Collection[str]) -> dict[str, Told]:
    """Return how accounts stand, by three questions however many they are."""
    whats = {"whats": list(accounts)}
    rows = connection.execute(_ACCOUNTS, whats).all()
    leases: dict[str, list[Any]] = {}
    for lease in connection.execute(_LEASES, whats):
        leases.setdefault(lease.account, []).append(lease)
    keeps = deposits.some(connection)
    told = {}
    for row in rows:
        of = leases.get(row.account, [])
        mine = [lease for lease in of if lease.lessee == lessee]
        told[row.account] = Told(
            spent=row.spent, spent_day=row.spent_day, spent_month=row.spent_month, day=row.day, month=row.month,
            mine=sum(lease.amount for lease in mine), others=sum(lease.amount for lease in of if lease not in mine),
            wanted=row.wanted, seen=max((lease.seen for lease in mine), default=row.wanted),
            kept=deposits.kept(connection, Subject(row.kind, row.name)) if keeps else 0,
        )  # fmt: skip
    return told


def _change(connection: sa.Connection, lessee: str, account: str, amount: int, *, seen: int = 0) -> None:
    """Add to a lease, or take from it; it is never less than nothing."""
    its = {"who": lessee, "what": account}
    known = connection.execute(_LEASED, its).first()
    if known is None:
        if amount > 0:
            new = {"lessee": lessee, "account": account, "amount": amount, "seen": seen}
            connection.execute(money_leases_table.insert().values(**new))
        return
    values = {"leased": max(0, known.amount + amount), "answered": max(known.seen, seen)}
    connection.execute(_LEASE_ANEW, {**its, **values})


def _spend(connection: sa.Connection, which: sa.ColumnElement[bool], amount: int) -> int:
    table = money_table.c
    more = {name: table[name] + amount for name in ("spent", "spent_day", "spent_month")}
    return connection.execute(money_table.update().where(which).values(**more)).rowcount


def _rows(connection: sa.Connection, lost: Mapping[Subject, int]) -> Iterator[dict[str, Any]]:
    """Yield the fields of the ledger rows that tell of lost money: of each subject as much as it has lost.

    A call's money is leased by its key, its use case and its user at once, so what a key's row tells of them is not
    told again; nor does it name one that has lost less.
    """
    left = dict(lost)
    for subject in sorted(lost, key=lambda one: KINDS.index(one.kind)):
        fields: dict[str, str] = {SUBJECT_COLUMNS[subject.kind]: subject.name}
        named: dict[str, Subject] = {}
        if subject.kind == "key":
            fields["key_id"] = subject.name  # which of its line's keys it was, nobody knows any more
            of = sa.select(keys_table.c.owner, keys_table.c.use_case).where(keys_table.c.id == subject.name)
            key = connection.execute(of).first()
            if key is not None:
                named["owner"] = Subject("user", key.owner)
            if key is not None and key.use_case:
                named["use_case"] = Subject("use_case", key.use_case)
            for one in named.values():  # one that has a budget of its own, and had nothing leased of it, lost nothing
                account = sa.select(_ACCOUNT.account).where(_ACCOUNT.kind == one.kind, _ACCOUNT.name == one.name)
                if one not in left and connection.execute(account).first() is not None:
                    left[one] = 0
        while left[subject] > 0:
            also = {column: one for column, one in named.items() if left.get(one, 1) > 0}
            amount = min(left[one] for one in (subject, *also.values()) if one in left)
            for one in (subject, *also.values()):
                if one in left:
                    left[one] -= amount
            yield {**fields, **{column: one.name for column, one in also.items()}, "cost_usd": dollars(amount)}
