"""Money that this process has leased: spent from memory, drawn ahead of need, given back when it lies idle.

Of every account: what the state database has as leased = left + held by calls + what ledger rows will be booked as.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractContextManager
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from filelock import Timeout

from workbench.errors import Unavailable
from workbench.gateway.admission.lease_store import LeaseLost, LeaseStore, Other, Told, Wish
from workbench.gateway.admission.ledger_tail import LEASE_LOST, LedgerTail
from workbench.gateway.admission.short import LeaseShort
from workbench.gateway.ledger.file import writer_lock
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.times import utc_now

if TYPE_CHECKING:
    from workbench.gateway.admission.gauge import Gauge
    from workbench.gateway.ledger.spool import Spool
    from workbench.gateway.state import State

_log = logging.getLogger("workbench.gateway.admission")

LOOK_SECONDS = 0.5
"""Between two looks at what was booked, lies idle, or is wanted elsewhere."""
_IDLE_LOOKS = 3
"""Looks without a call after which what is left is given back."""
_FORGOTTEN_LOOKS = 20
"""Looks without a call after which nothing is kept, whatever it was kept for."""
_LEAST_SLICE, _MOST_SLICE = 4, 256
"""How many times what a call needs is leased at once, and grows to while draws follow one another."""
_SOON = 2.0
"""Seconds: a draw within so many of the last one makes the next one larger."""
_WANTED_SECONDS = 2.0
"""How long others may take to give back what they do not need."""
_POLL_SECONDS = 0.05
_DRY_SECONDS = 0.05
"""How long it is known that there is no more, without asking again."""
_RECALL_SECONDS = 1.0
"""How long others are not asked again to give back, where it did not help."""
_WATCH_SECONDS = 1.0
"""Between two looks at whether another process is dead."""
DEAD_SECONDS = 30.0
"""Without a word for so long, a process of another machine is dead."""
_ALL = 1 << 62
_T = TypeVar("_T")
_PARTS = {"usd_total": "spent", "usd_per_day": "spent_day", "usd_per_month": "spent_month"}


class MoneyAccount:
    """The lease of one budget."""

    __slots__ = (
        "_desk", "_need", "_rest", "drawn_at", "dry_of_rest", "dry_until", "gauge", "held", "idle", "left", "recall_at",
        "slice", "wanted",
    )  # fmt: skip

    def __init__(self, desk: MoneyLeases, gauge: Gauge) -> None:
        self._desk = desk
        self.gauge = gauge
        self.left = self.held = self._need = 0
        self.idle = 0
        self.slice = _LEAST_SLICE
        self._rest = self.dry_of_rest = False
        self.drawn_at = self.dry_until = self.recall_at = 0.0
        self.wanted = 0

    def reaches(self, more: int, *, rest: bool = False) -> bool:
        """Tell whether so much more can be held; raises LeaseShort where that is not known yet.

        With `rest`, all that there is of it will be held here.
        """
        if more <= self.left:
            return True
        if monotonic() < self.dry_until and (self.dry_of_rest or not rest):
            return False
        self._need, self._rest = more, rest
        raise LeaseShort(self)

    def hold(self, more: int, *, need: int | None = None) -> None:
        """Hold more for a call; `need` tells how much to lease ahead, where it is not that."""
        self.left -= more
        self.held += more
        self.idle = 0
        need = more if need is None else need
        if need > 0 and 4 * self.left < need * self.slice and self.gauge.binds_money:
            self._desk.draw_ahead(self, need)

    def settle(self, held: int, spent: int) -> None:
        """Let go of what was held for a call; its row tells what was spent."""
        self.held -= held
        # What is spent beyond the lease is told by its rows alone: the lease in the database ends at nothing, too.
        self.left = max(self.left + held - spent, min(self.left, 0))

    async def fetch(self) -> None:
        """Lease more, or find out that there is no more."""
        await self._desk.draw(self, self._need, rest=self._rest)

    def wish(self, need: int, ahead: int) -> Wish:
        """Return what to ask for, so that so much is left."""
        terms = self.gauge.terms
        return Wish(
            account=terms.row,
            subject=terms.subject,
            caps={_PARTS[cap.name]: cap.amount for cap in self.gauge.purse.caps},
            need=need - self.left,
            ahead=ahead,
        )


class MoneyLeases:
    """The leases of this process."""

    def __init__(self, state: State, spool: Spool, *, counting: AbstractContextManager[object], stage: str) -> None:
        """Lease nothing yet; `counting` is the lock of the counters."""
        self._state = state
        self._spool = spool
        self._counting = counting
        self._stage = stage
        self._accounts: dict[str, MoneyAccount] = {}
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ahead: set[str] = set()
        self._looking: asyncio.Task[None] | None = None
        self._lessee: str | None = None
        self._heard: dict[str, tuple[int, float]] = {}

    # -- the life of the room ----------------------------------------------------------------------------------------

    async def open(self, *, watch: bool) -> None:
        """Settle what dead processes held; with `watch` go on to look after the living. The ledger is open."""
        self._tail = LedgerTail(self._spool.path, self._spool.writer)
        self._store = LeaseStore(self._state, self._tail)
        await self._settle_dead()
        if watch:
            self._start(self._watch())

    async def close(self) -> None:
        """Give everything back. All calls have ended, and their rows are durable."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lessee is not None:
            try:
                await asyncio.to_thread(self._store.leave, self._lessee)
            except Unavailable as error:
                _log.warning("what this process had leased is settled at the next start: %s", error)

    def attach(self, gauge: Gauge) -> None:
        """Lease a gauge's budget to it from now on."""
        account = self._accounts.get(gauge.terms.row) or MoneyAccount(self, gauge)
        account.gauge = gauge
        gauge.money = account

    def detach(self, gauge: Gauge) -> None:
        """Do nothing: what lies idle is forgotten, whoever it was leased for."""

    # -- what is paid later ------------------------------------------------------------------------------------------

    async def deposit(self, due_id: str, held: Mapping[Gauge, int]) -> bool:
        """Keep for a thing what a call holds, so that it is leased no more; return False where it can't be."""
        rows = {gauge.terms.row: amount for gauge, amount in held.items()}
        async with self._lock:
            if not await asyncio.to_thread(self._store.deposit, self._lessee, due_id, rows):
                return False
            for gauge, amount in held.items():
                if isinstance(gauge.money, MoneyAccount):
                    gauge.money.held -= amount
        return True

    async def withdraw(self, due_id: str, gauges: Collection[Gauge]) -> dict[Gauge, int]:
        """Lease to gauges what is kept for a thing, and hold it; what is not spent of it they give back then."""
        accounts = {gauge.terms.row: gauge.money for gauge in gauges if isinstance(gauge.money, MoneyAccount)}
        held: dict[Gauge, int] = {}
        async with self._lock:
            amount, leased = await self._as_lessee(lambda lessee: self._store.withdraw(lessee, due_id, list(accounts)))
            for row in leased:
                account = accounts[row]
                self._know(account)
                account.held += amount
                account.idle = 0
                held[account.gauge] = amount
            self._keep_looking()
        return held

    # -- more --------------------------------------------------------------------------------------------------------

    async def draw(self, account: MoneyAccount, need: int, *, rest: bool) -> None:
        """Lease what is needed, or with `rest` all that is left; a call that is given up does not end what it began."""
        await asyncio.shield(self._start(self._draw(account, need, rest=rest)))

    def draw_ahead(self, account: MoneyAccount, need: int) -> None:
        """Lease more before it is needed."""
        row = account.gauge.terms.row
        if row in self._ahead or monotonic() < account.dry_until:
            return
        self._ahead.add(row)
        task = self._start(self._draw_ahead(account, need))
        task.add_done_callback(lambda _: self._ahead.discard(row))

    async def _draw_ahead(self, account: MoneyAccount, need: int) -> None:
        try:
            async with self._lock:
                if 4 * account.left < need * account.slice:
                    told = await self._ask(account, account.left + 1, ahead=need * account.slice, rest=True)
                    if not told.granted:
                        account.dry_until, account.dry_of_rest = monotonic() + _DRY_SECONDS, True
        except Unavailable as error:
            _log.warning("money was not leased ahead of need: %s", error)

    async def _draw(self, account: MoneyAccount, need: int, *, rest: bool) -> None:
        async with self._lock:
            if need <= account.left:  # another call has drawn for this one, too
                return
            wants = monotonic() >= account.recall_at
            told = await self._ask(account, need, ahead=need * account.slice, rest=rest, wants=wants)
        if need <= account.left:
            return
        if told.asked:
            end = monotonic() + _WANTED_SECONDS
            row = account.gauge.terms.row
            while monotonic() < end:
                await asyncio.sleep(_POLL_SECONDS)
                if await asyncio.to_thread(self._store.answered, row, str(self._lessee), told.wanted):
                    break
            async with self._lock:
                if need > account.left:
                    await self._ask(account, need, ahead=need * account.slice, rest=rest)
        if need > account.left:
            now = monotonic()
            account.dry_until, account.dry_of_rest = now + _DRY_SECONDS, rest
            if told.asked:
                account.recall_at = now + _RECALL_SECONDS

    async def _ask(self, account: MoneyAccount, need: int, *, ahead: int, rest: bool, wants: bool = False) -> Told:
        """Draw once; the lock is held."""
        self._know(account)
        told = await self._as_lessee(
            lambda lessee: self._store.draw(lessee, account.wish(need, ahead), rest=rest, wants=wants)
        )
        now = monotonic()
        soon = now - account.drawn_at < _SOON
        account.slice = min(_MOST_SLICE, 2 * account.slice) if soon else max(_LEAST_SLICE, account.slice // 2)
        account.drawn_at = now
        account.left += told.granted
        account.idle = 0
        with self._counting:
            account.gauge.purse.deposited = told.kept
        self._keep_looking()
        return told

    def _know(self, account: MoneyAccount) -> None:
        """Count what is leased of an account from now on."""
        row = account.gauge.terms.row
        if row not in self._accounts:  # what calls hold that began before is not leased yet
            account.left = -account.held
            self._accounts[row] = account

    async def _as_lessee(self, step: Callable[[str], _T]) -> _T:
        """Take a step at the store, as a lessee that is known there; the lock is held."""
        while True:
            if self._lessee is None:
                lessee = uuid4().hex
                await asyncio.to_thread(self._store.enter, lessee)
                self._lessee = lessee
            try:
                return await asyncio.to_thread(step, self._lessee)
            except LeaseLost:
                self._lose()

    def _keep_looking(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = self._start(self._look())

    def _lose(self) -> None:
        """Begin anew as another lessee: this one was taken for dead, and what it had is settled."""
        _log.warning("this process was taken for dead: what it had leased counts as spent")
        self._lessee = None
        for account in self._accounts.values():
            account.left = -account.held  # what calls give back is not ours any more

    def _take_over(self, account: MoneyAccount, told: Told) -> None:
        """Count what others have spent, too."""
        with self._counting:
            unbooked = max(0, told.mine - account.left - account.held)
            account.gauge.catch_up(
                told.spent + unbooked,
                day=(told.day, told.spent_day + unbooked),
                month=(told.month, told.spent_month + unbooked),
            )
            account.gauge.purse.deposited = told.kept

    # -- less --------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Book, and give back what lies idle, for as long as something is leased."""
        again = False
        while True:
            await asyncio.sleep(0 if again else LOOK_SECONDS)
            try:
                async with self._lock:
                    again, leased = await self._give_back()
            except Unavailable as error:
                _log.warning("leased money was not booked: %s", error)
                continue
            if not leased:
                return

    async def _give_back(self) -> tuple[bool, bool]:
        """Look once; return whether to look again at once, and whether anything is leased. The lock is held."""
        back: dict[str, tuple[int, int]] = {}
        taken: dict[str, int] = {}
        asked = {}
        for row, account in self._accounts.items():
            account.idle += 1
            asked[row] = account.wanted
            idle = account.idle > _IDLE_LOOKS
            amount = max(0, account.left) if idle or account.wanted else 0
            account.left -= amount
            taken[row] = amount
            forgotten = account.idle > _FORGOTTEN_LOOKS and account.held == 0
            back[row] = (_ALL if forgotten else amount, account.wanted)
        try:
            told = await asyncio.to_thread(self._store.look, str(self._lessee), back)
        except LeaseLost:
            self._lose()
            return False, False
        except BaseException:
            for row, amount in taken.items():
                self._accounts[row].left += amount
            raise
        again = False
        for row, account in list(self._accounts.items()):
            stands = told.get(row)
            if stands is None:
                account.wanted = 0
                if account.held == 0:
                    account.left = 0
                    del self._accounts[row]
                continue
            account.wanted = stands.wanted if stands.wanted > stands.seen else 0
            again = again or account.wanted > asked[row]
            self._take_over(account, stands)
        return again, any(stands.mine for stands in told.values())

    # -- the dead ----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._settle_dead()
            except Unavailable as error:
                _log.warning("whether another process is dead can't be seen: %s", error)
            except Exception:  # noqa: BLE001 - the next look may go well
                _log.exception("a dead process was not settled")

    async def _settle_dead(self) -> None:
        for other in await asyncio.to_thread(self._store.others, self._lessee):
            if other.id != self._lessee and await asyncio.to_thread(self._settle, other):
                _log.error("a gateway process is gone; what it had leased and no row tells of counts as spent")
        for request_id, fields in (await asyncio.to_thread(self._store.due)).items():
            if not await asyncio.to_thread(self._tail.has, request_id):
                row = LedgerRow(
                    request_id=request_id, time=utc_now(), stage=self._stage, path="", outcome="unknown",
                    error_code=LEASE_LOST, cost_source="estimated", **fields,
                )  # fmt: skip
                await self._spool.write(row)
            await asyncio.to_thread(self._store.done, request_id)

    def _settle(self, other: Other) -> bool:
        """Settle a process that is dead; return whether it was. Blocks."""
        tail = self._tail.of(other.path, other.ledger, other.writer)
        if tail is None:
            return self._is_silent(other) and self._store.settle(other, None)
        if tail.path == self._tail.path and tail.writer == self._tail.writer:
            return self._store.settle(other, tail)  # who wrote before us under our name
        lock = writer_lock(tail.path.parent, tail.writer)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        try:
            return self._store.settle(other, tail)
        finally:
            lock.release()

    def _is_silent(self, other: Other) -> bool:
        """Tell whether a process that can't be looked at has not been heard of for long, by our own clock."""
        now = monotonic()
        beats, since = self._heard.get(other.id, (-1, now))
        if beats != other.beats:
            self._heard[other.id] = (other.beats, now)
            return False
        return now - since > DEAD_SECONDS

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
