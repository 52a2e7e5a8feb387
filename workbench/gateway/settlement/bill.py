"""The ledger rows of one thing that is paid later, by what its provider tells of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from workbench.errors import ProviderError
from workbench.gateway.settlement.asking import GONE, Asking
from workbench.gateway.settlement.google_bill import rows_of_google
from workbench.gateway.settlement.hours import row_of_hours
from workbench.gateway.settlement.rows import row_of_job, row_of_unknown, rows_of_batch
from workbench.gateway.settlement.store import (
    BATCH,
    GOOGLE_BATCH,
    HOURS,
    JOB,
    MESSAGES,
    RESPONSE,
    VERTEX_BATCH,
    VERTEX_JOB,
    Due,
)
from workbench.gateway.settlement.tally import Tally
from workbench.gateway.times import utc_text

if TYPE_CHECKING:
    from workbench.gateway.ledger.row import LedgerRow
    from workbench.gateway.parts import Parts

_ENDED = {
    BATCH: frozenset({"completed", "failed", "expired", "cancelled"}),
    JOB: frozenset({"succeeded", "failed", "cancelled"}),
    MESSAGES: frozenset({"ended"}),
    RESPONSE: frozenset({"completed", "failed", "incomplete", "cancelled"}),
}
"""States in which nothing more is charged."""
_GOOGLE = frozenset({GOOGLE_BATCH, VERTEX_BATCH, VERTEX_JOB})


async def bill_of(due: Due, gateway: Parts) -> tuple[list[LedgerRow] | None, str]:
    """Return the rows of a thing, None while it has not ended, and how it stands; raises ProviderError."""
    upstream = gateway.upstream
    if due.kind == HOURS:
        return [row_of_hours(due, upstream.models, stage=gateway.stage)], "booked"
    provider = upstream.providers.get(due.provider)
    if provider is None:
        raise ProviderError(
            f"Provider {due.provider!r} is not configured any more.", hint="The admin names it again to settle."
        )
    asking = Asking(provider, upstream.client)
    told = await asking.about(due)
    if due.kind in _GOOGLE:
        return await rows_of_google(due, told, asking, gateway, provider.kind)
    state = str(told.get("processing_status") if due.kind == MESSAGES else told.get("status"))
    if state not in _ENDED[due.kind]:
        return None, state
    ended = utc_text(_ended_at(told, due))
    if due.kind == JOB:
        row = row_of_job(due, told, upstream.models, upstream.prices, kind=provider.kind, time=ended)
        if row is None and state == "succeeded":  # it was trained, and says not on what
            row = row_of_unknown(due, time=ended)
        return [] if row is None else [row], state
    grade = str(told.get("service_tier") or "") if due.kind == RESPONSE else "batch"
    tally = Tally(upstream.models, upstream.prices, provider=due.provider, kind=provider.kind, time=ended, grade=grade)
    if due.kind == RESPONSE:
        tally.answer(told)
    else:
        await _read_results(tally, asking, due, told)
    return rows_of_batch(due, tally, time=ended), state


async def _read_results(tally: Tally, asking: Asking, due: Due, batch: dict[str, Any]) -> None:
    """Sum the results of a batch up; where they are gone or nowhere, what it says of itself counts."""
    if due.kind == MESSAGES or batch.get("output_file_id"):
        try:
            async for line in asking.results(due, batch):
                tally.line(line)
        except ProviderError as error:
            if error.error_code not in GONE:
                raise
        else:
            tally.unread += tally.lines < _answers(batch)
            return
    elif not _answers(batch):
        return
    if not tally.sum(batch):
        tally.unread += 1


def _answers(batch: dict[str, Any]) -> int:
    """Return how many answers a batch says that it has; one that is complete and does not say has some."""
    counts = batch.get("request_counts")
    name = "succeeded" if "processing_status" in batch else "completed"
    told = counts.get(name) if isinstance(counts, dict) else None
    return told if isinstance(told, int) else int(batch.get("status") == "completed")


def _ended_at(told: dict[str, Any], due: Due) -> float:
    """Return when a thing ended, as far as its provider can be believed; the price of that time holds."""
    now = time.time()
    for name in ("completed_at", "finished_at", "cancelled_at", "expired_at", "failed_at"):
        ended = told.get(name)
        if isinstance(ended, int | float) and not isinstance(ended, bool):
            return max(due.created_at, float(min(ended, now)))
    return now
