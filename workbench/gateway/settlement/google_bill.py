"""The ledger rows of Google's batches and tuning jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from workbench.errors import ProviderError
from workbench.gateway.settlement import google
from workbench.gateway.settlement.asking import GONE, Asking
from workbench.gateway.settlement.rows import RESULTS_ELSEWHERE, row_of_job, row_of_unknown, rows_of_batch
from workbench.gateway.settlement.store import VERTEX_BATCH, VERTEX_JOB, Due
from workbench.gateway.settlement.tally import Tally
from workbench.gateway.times import utc_text

if TYPE_CHECKING:
    from workbench.gateway.ledger.row import LedgerRow
    from workbench.gateway.parts import Parts
    from workbench.settings import Kind


async def rows_of_google(
    due: Due, told: dict[str, Any], asking: Asking, gateway: Parts, kind: Kind
) -> tuple[list[LedgerRow] | None, str]:
    """Return the rows of a thing, None while it has not ended, and how it stands; raises ProviderError."""
    state = google.state_of(told)
    if not google.has_ended(state):
        return None, state
    ended, now = google.ended_at(told), time.time()
    when = utc_text(now if ended is None else max(due.created_at, min(ended, now)))
    if due.kind == VERTEX_BATCH:  # its results stand in the account's own storage
        return [row_of_unknown(due, time=when, why=RESULTS_ELSEWHERE)] if google.succeeded(told) else [], state
    if due.kind == VERTEX_JOB:
        return _of_tuning(due, told, gateway, kind=kind, when=when), state
    upstream = gateway.upstream
    tally = Tally(upstream.models, upstream.prices, provider=due.provider, kind=kind, time=when)
    await _read_answers(tally, asking, due, told)
    return rows_of_batch(due, tally, time=when), state


def _of_tuning(due: Due, told: dict[str, Any], gateway: Parts, *, kind: Kind, when: str) -> list[LedgerRow]:
    trained = {"model": google.model_of(told), "trained_tokens": google.trained_on(told)}
    upstream = gateway.upstream
    row = row_of_job(due, trained, upstream.models, upstream.prices, kind=kind, time=when)
    if row is None and google.succeeded(told):
        row = row_of_unknown(due, time=when)
    return [] if row is None else [row]


async def _read_answers(tally: Tally, asking: Asking, due: Due, told: dict[str, Any]) -> None:
    """Sum the answers of a batch up, whether they stand in it or in a file; nobody knows of those that are gone."""
    model, answers, file = google.model_of(told), google.answers_of(told), google.file_of(told)
    if answers is not None:
        for answer in answers:
            tally.of_google(model, answer)
        return
    if file is not None:
        try:
            async for line in asking.file(due, file):
                tally.line_of_google(model, line)
        except ProviderError as error:
            if error.error_code not in GONE:
                raise
        else:
            return
    tally.shares.clear()
    tally.unread = int(google.succeeded(told))
