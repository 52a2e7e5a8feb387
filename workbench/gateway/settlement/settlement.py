"""One run of settling: everything that is open is asked for, priced, written to the ledger and booked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import ProviderError, Unavailable, WorkbenchError
from workbench.gateway.admission.subject import Subject
from workbench.gateway.settlement.asking import Asking
from workbench.gateway.settlement.hours import due_hours, row_of_hours
from workbench.gateway.settlement.rows import row_of_job, rows_of_batch
from workbench.gateway.settlement.store import BATCH, HOURS, JOB, MESSAGES, RESPONSE, TAKEN_SECONDS, Due
from workbench.gateway.settlement.tally import Tally
from workbench.gateway.times import utc_text

if TYPE_CHECKING:
    from workbench.gateway.ledger.row import LedgerRow
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.settlement")

_ENDED = {
    BATCH: frozenset({"completed", "failed", "expired", "cancelled"}),
    JOB: frozenset({"succeeded", "failed", "cancelled"}),
    MESSAGES: frozenset({"ended"}),
    RESPONSE: frozenset({"completed", "failed", "incomplete", "cancelled"}),
}
"""States in which nothing more is charged."""
_STAYS = frozenset({"provider_not_found", "not_found"})
"""What a provider says of a thing that is gone for good."""


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
            await self._settle(taken, run)
        return run

    async def _settle(self, due: Due, run: Run) -> None:
        store = self._gateway.objects.settlements
        try:
            async with self._keeping(due):
                rows, note = await self._rows(due)
                if rows is None:
                    run.waiting += 1
                    await asyncio.to_thread(store.give_back, due, note)
                    return
                await self._pay(due, rows, run)
                cost = None if any(row.cost_usd is None for row in rows) else sum(row.cost_usd or 0.0 for row in rows)
                await asyncio.to_thread(store.settled, due, cost_usd=cost, note=note)
                run.settled += 1
        except (WorkbenchError, OSError) as error:
            if isinstance(error, ProviderError) and error.error_code in _STAYS:
                if due.held is not None:
                    await self._pay(due, [], run)
                await asyncio.to_thread(store.settled, due, cost_usd=None, note=f"gone: {error}")
            else:
                await asyncio.to_thread(store.give_back, due, str(error))
            _log.warning("%s %s at %s is not settled: %s", due.kind, due.upstream_id, due.provider, error)
            run.problems.append(Problem(due.kind, due.provider, due.upstream_id, str(error)))

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

    async def _rows(self, due: Due) -> tuple[list[LedgerRow] | None, str]:
        """Return the ledger rows of a thing, None while it has not ended, and how it stands."""
        upstream = self._gateway.upstream
        if due.kind == HOURS:
            return [row_of_hours(due, upstream.models, stage=self._gateway.stage)], "booked"
        provider = upstream.providers.get(due.provider)
        if provider is None:
            raise ProviderError(
                f"Provider {due.provider!r} is not configured any more.", hint="The admin names it again to settle."
            )
        asking = Asking(provider, upstream.client)
        told = await asking.about(due)
        state = str(told.get("processing_status") if due.kind == MESSAGES else told.get("status"))
        if state not in _ENDED[due.kind]:
            return None, state
        ended = utc_text(_ended_at(told, due))
        if due.kind == JOB:
            row = row_of_job(due, told, upstream.models, upstream.prices, kind=provider.kind, time=ended)
            rows = [] if row is None else [row]
        else:
            grade = str(told.get("service_tier") or "") if due.kind == RESPONSE else "batch"
            tally = Tally(
                upstream.models, upstream.prices, provider=due.provider, kind=provider.kind, time=ended, grade=grade
            )
            if due.kind == RESPONSE:
                tally.answer(told)
            elif due.kind == MESSAGES or told.get("output_file_id"):
                async for line in asking.results(due, told):
                    tally.line(line)
            rows = rows_of_batch(due, tally, time=ended)
        for row in rows:
            row.stage = self._gateway.stage
        return rows, state

    async def _pay(self, due: Due, rows: list[LedgerRow], run: Run) -> None:
        """Write the rows of a thing, and book them on those who pay, in the place of what was kept for it."""
        gateway, desk = self._gateway, self._gateway.admission
        key = gateway.keys.head(due.account or "") or gateway.keys.get(due.key_id or "")
        subjects = _subjects(due)
        gateway.spool.check()
        held = 0.0
        if due.held is not None:
            held = await desk.withdraw(due.id, desk.paying(key, subjects))
        for row in rows:
            if await self._write(row, run) and row.cost_usd:
                models = [Subject("model", row.model)] if row.model else []
                desk.charge(desk.paying(key, [*subjects, *models]), row.cost_usd)
        cost = sum(row.cost_usd or 0.0 for row in rows)
        if key is not None and held and cost > held:
            desk.stop(key, cost_usd=cost, held_usd=held)

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


def _ended_at(told: dict[str, Any], due: Due) -> float:
    """Return when a thing ended, as far as its provider can be believed; the price of that time holds."""
    now = time.time()
    for name in ("completed_at", "finished_at", "cancelled_at", "expired_at", "failed_at"):
        ended = told.get(name)
        if isinstance(ended, int | float) and not isinstance(ended, bool):
            return max(due.created_at, min(float(ended), now))
    return now
