"""One run of settling: everything that is open is asked for, priced, written to the ledger and booked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, ProviderError, Unavailable, WorkbenchError
from workbench.gateway.admission.gauge import OVERRUN
from workbench.gateway.admission.purse import dollars, picodollars
from workbench.gateway.admission.subject import Subject
from workbench.gateway.settlement.asking import GONE
from workbench.gateway.settlement.bill import bill_of
from workbench.gateway.settlement.hours import due_hours
from workbench.gateway.settlement.rows import charge_what_was_kept, row_of_closed, row_of_unknown
from workbench.gateway.settlement.store import TAKEN_SECONDS, Due
from workbench.gateway.times import utc_text

if TYPE_CHECKING:
    from workbench.gateway.admission.gauge import Gauge
    from workbench.gateway.ledger.row import LedgerRow
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.settlement")

_GIVEN_UP_SECONDS = 30 * 86_400
"""After so long, what is kept for a thing of a provider that is not configured any more counts as spent."""


_HALF_PAID = "a gateway ended while it was kept or booked: what it held counts as spent"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be settled."""

    kind: str
    provider: str
    id: str
    """The provider's own id."""
    message: str
    """Why, and who must act."""


@dataclass(slots=True)
class Run:
    """What a run has done."""

    settled: int = 0
    """Things that are settled now."""
    waiting: int = 0
    """Things that have not ended, or that another run is at."""
    rows: int = 0
    """Ledger rows that were written."""
    cost_usd: float = 0.0
    """What they cost."""
    unpriced: int = 0
    """Rows without a price."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be settled now; it stays open."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the gateway tells it."""
        return asdict(self)


_RowsOf = Callable[[Due, Run], Awaitable[tuple[list["LedgerRow"] | None, str]]]
"""Tells the ledger rows of a thing, None while it has not ended, and how it stands."""


class Settlement:
    """Settles what is open, whoever asks for it and how often."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def run(self) -> Run:
        """Settle what has ended; what fails stays open for the next run."""
        gateway, run = self._gateway, Run()
        store = gateway.objects.settlements
        gateway.spool.check()
        await asyncio.to_thread(store.adopt)
        for due in await asyncio.to_thread(due_hours, gateway.settings, gateway.models, store, now=time.time()):
            await asyncio.to_thread(store.note, due)
        for due_id in await asyncio.to_thread(store.open_ids):
            taken = await asyncio.to_thread(store.take, due_id)
            if taken is None:
                run.waiting += 1
                continue
            await self._settle(taken, run, self._rows)
        return run

    async def close(self, named: str, *, usd: float | None, by: str) -> Run:
        """Settle one thing without waiting for its provider any longer, for what an admin says, else what was kept.

        Raises NotFound for what is not open, Conflict while another run is at it.
        """
        run, store = Run(), self._gateway.objects.settlements
        self._gateway.spool.check()
        due = await asyncio.to_thread(store.take, await asyncio.to_thread(store.find, named))
        if due is None:
            raise Conflict("Another run is settling it.", hint="Try again in a minute.")

        async def told(due: Due, _: Run) -> tuple[list[LedgerRow] | None, str]:
            row = row_of_closed(due, time=utc_text(time.time()), usd=usd, by=by)
            row.stage = self._gateway.stage
            return [row], f"closed by {by}"

        await self._settle(due, run, told)
        return run

    async def _settle(self, due: Due, run: Run, rows_of: _RowsOf) -> None:
        store = self._gateway.objects.settlements
        try:
            if due.half_paid:
                await asyncio.to_thread(store.settled, due, cost_usd=None, note=_HALF_PAID)
                run.settled += 1
                return
            if due.is_anothers(self._gateway.spool.id):
                run.waiting += 1
                await asyncio.to_thread(store.give_back, due, "another gateway began to book it, and goes on")
                return
            async with self._keeping(due):
                rows, note = await rows_of(due, run)
                if rows is None:
                    run.waiting += 1
                    await asyncio.to_thread(store.give_back, due, note)
                    return
                await self._pay(due, rows, run)
                cost = None if any(row.cost_usd is None for row in rows) else sum(row.cost_usd or 0.0 for row in rows)
                await asyncio.to_thread(store.settled, due, cost_usd=cost, note=note)
                run.settled += 1
        except (WorkbenchError, OSError) as error:
            await asyncio.to_thread(store.give_back, due, str(error))
            _log.warning("%s %s at %s is not settled: %s", due.kind, due.upstream_id, due.provider, error)
            run.problems.append(_problem(due, error))
        except Exception as error:  # noqa: BLE001 - one odd answer of a provider keeps nothing else from being settled
            _log.exception("%s %s at %s is not settled", due.kind, due.upstream_id, due.provider)
            await asyncio.to_thread(store.give_back, due, repr(error))
            run.problems.append(_problem(due, error))

    @asynccontextmanager
    async def _keeping(self, due: Due) -> AsyncIterator[None]:
        """Hold on to a thing for as long as the work takes."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(TAKEN_SECONDS / 3)
                with contextlib.suppress(Unavailable):
                    await asyncio.to_thread(self._gateway.objects.settlements.keep, due)

        beating = asyncio.ensure_future(beat())
        try:
            yield
        finally:
            beating.cancel()

    async def _rows(self, due: Due, run: Run) -> tuple[list[LedgerRow] | None, str]:
        """Return the ledger rows of a thing, None while it has not ended, and how it stands.

        Of one that is gone nobody will know what it cost: what was kept for it counts as spent.
        """
        try:
            rows, note = await bill_of(due, self._gateway)
        except ProviderError as error:
            if not (error.error_code in GONE or self._is_given_up(due)):
                raise
            run.problems.append(_problem(due, error))
            rows, note = [row_of_unknown(due, time=utc_text(time.time()))], f"gone: {error}"
        for row in rows or ():
            row.stage = self._gateway.stage
        charge_what_was_kept(due, rows or [])
        return rows, note

    def _is_given_up(self, due: Due) -> bool:
        gone = due.provider not in self._gateway.upstream.providers
        return gone and due.held is not None and time.time() - due.created_at > _GIVEN_UP_SECONDS

    async def _pay(self, due: Due, rows: list[LedgerRow], run: Run) -> None:
        """Write the rows of a thing, and book them on those who pay, in the place of what was kept for it."""
        gateway, desk = self._gateway, self._gateway.admission
        key = gateway.keys.head(due.account or "") or gateway.keys.get(due.key_id or "")
        subjects = _subjects(due)
        gateway.spool.check()
        payers = desk.paying(key, subjects)
        if due.held is None:
            await asyncio.to_thread(gateway.objects.settlements.begin, due, gateway.spool.id)
        held = await desk.withdraw(due.id, payers)
        paid: list[LedgerRow] = []
        try:
            for row in rows:
                paid += [row] if await self._write(row, run) else []
        except BaseException:
            # Rows that are written are not written again, so they are charged now; the rest is for the next run.
            booked = picodollars(sum(row.cost_usd or 0.0 for row in paid))
            self._charge(payers, paid, {gauge: min(booked, amount) for gauge, amount in held.items()})
            rest = {gauge: amount - min(booked, amount) for gauge, amount in held.items()}
            if rest:
                await asyncio.shield(desk.deposit(due.id, rest))
            raise
        self._charge(payers, paid, held)
        cost, most = sum(row.cost_usd or 0.0 for row in rows), dollars(max(held.values(), default=0))
        if key is not None and held and picodollars(cost) > max(held.values()):
            desk.stop(key, cost_usd=cost, held_usd=most)
            gateway.issuer.stop(key.id, OVERRUN)

    def _charge(self, payers: list[Gauge], rows: list[LedgerRow], held: Mapping[Gauge, int]) -> None:
        """Book rows on those who pay, in the place of what they hold, and on the models that answered."""
        desk = self._gateway.admission
        desk.charge(payers, sum(row.cost_usd or 0.0 for row in rows), held)
        for row in rows:
            models = desk.paying(None, [Subject("model", row.model)]) if row.model else []
            desk.charge(models, row.cost_usd or 0.0)

    async def _write(self, row: LedgerRow, run: Run) -> bool:
        """Write a row; return False where a run before this one did."""
        gateway = self._gateway
        if await asyncio.to_thread(gateway.reports.has, row.request_id):
            return False
        run.rows += 1
        run.cost_usd += row.cost_usd or 0.0
        run.unpriced += row.cost_usd is None
        await gateway.spool.write(row)
        return True


def _subjects(due: Due) -> list[Subject]:
    """Return who pays for a thing, but for the models that answered."""
    subjects = [Subject("provider", due.provider)]
    if account := due.account or due.key_id:
        subjects.append(Subject("key", account))
    if due.use_case:
        subjects.append(Subject("use_case", due.use_case))
    if due.owner:
        subjects.append(Subject("user", due.owner))
    return subjects


def _problem(due: Due, error: Exception) -> Problem:
    return Problem(due.kind, due.provider, due.upstream_id, str(error))
