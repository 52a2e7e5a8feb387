"""The ledger rows of what is paid later: one for each model; the same thing has the same rows, whoever settles it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from workbench.gateway.admission.purse import dollars
from workbench.gateway.dialects.reader import MOST_COUNTED
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.routing.models import Models
from workbench.gateway.settlement.store import UNIFIED, Due
from workbench.gateway.settlement.tally import Share, Tally
from workbench.gateway.unified.objects.kinds import BATCH, JOB, RESPONSE
from workbench.settings import Kind

_ID_DIGITS = 32
_UNKNOWN = "\n"
"""In the place of a model's name, in the id of a row of unknown cost."""
_CLOSED = "\nclosed"
"""The same, where an admin ended the waiting."""
RESULTS_GONE, RESULTS_ELSEWHERE, CLOSED_BY_ADMIN = "results_gone", "results_elsewhere", "closed_by_admin"
"""Why nobody knows what a thing cost: its results are gone, or where the gateway does not reach, or never came."""


def rows_of_batch(due: Due, tally: Tally, *, time: str) -> list[LedgerRow]:
    """Return a row for each model that answered, and one for answers that do not tell what they used."""
    rows = []
    for name, share in tally.shares.items():
        row = _row(due, name, share, time=time, what={"answers": share.answers})
        usage = share.usage
        row.input_tokens, row.output_tokens = usage.input_tokens, usage.output_tokens
        row.cached_input_tokens, row.cache_write_tokens = usage.cached_input_tokens, usage.cache_write_tokens
        row.reasoning_tokens = usage.reasoning_tokens
        _price(row, share, None if share.rate is None else round(share.cost_usd, 12))
        rows.append(row)
    if tally.unread:
        rows.append(row_of_unknown(due, time=time, known_usd=sum(row.cost_usd or 0.0 for row in rows)))
    return rows


def row_of_job(
    due: Due, told: dict[str, Any], models: Models, prices: PriceBook, *, kind: Kind, time: str
) -> LedgerRow | None:
    """Return the row of a job; None where nothing was trained."""
    tokens, name = told.get("trained_tokens"), str(told.get("model", ""))[:200]
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 0 < tokens <= MOST_COUNTED:
        return None
    share = Tally(models, prices, provider=due.provider, kind=kind, time=time).share(name)
    row = _row(due, name, share, time=time, what={"trained_tokens": tokens})
    row.input_tokens = tokens
    _price(row, share, None if share.rate is None else share.rate.training(tokens))
    return row


def row_of_unknown(due: Due, *, time: str, known_usd: float = 0.0, why: str = RESULTS_GONE) -> LedgerRow:
    """Return the row of what nobody will know the cost of: what was kept for it, if anything was, but for the rest."""
    row = _bare_row(due, _UNKNOWN, time=time, what={})
    row.outcome, row.error_code, row.status = "unknown", why, None
    row.cost_usd, row.cost_source = (None, "unknown")
    if due.held is not None:
        row.cost_usd, row.cost_source = max(0.0, round(dollars(due.held) - known_usd, 12)), "estimated"
    return row


def row_of_closed(due: Due, *, time: str, usd: float | None, by: str) -> LedgerRow:
    """Return the row of what an admin waits for no longer: what they say it cost, else what was kept for it."""
    row = _bare_row(due, _CLOSED, time=time, what={"closed_by": by})
    row.outcome, row.error_code, row.status = "unknown", CLOSED_BY_ADMIN, None
    row.cost_usd = usd if usd is not None else None if due.held is None else dollars(due.held)
    row.cost_source = "unknown" if row.cost_usd is None else "estimated"
    return row


def charge_what_was_kept(due: Due, rows: list[LedgerRow]) -> None:
    """Charge what was kept for rows that have no price: a budget that held for them is not given back."""
    unpriced = [row for row in rows if row.cost_usd is None]
    if due.held is None or not unpriced:
        return
    rest = dollars(due.held) - sum(row.cost_usd or 0.0 for row in rows)
    for row, cost in zip(unpriced, [max(0.0, round(rest, 12)), *[0.0] * len(rows)], strict=False):
        row.cost_usd, row.cost_source = cost, "estimated"


def request_id(due: Due, model: str) -> str:
    """Return the id of a row: it comes from the thing, so that no other run writes it again."""
    return f"req_{hashlib.sha256(f'{due.id}{chr(10)}{model}'.encode()).hexdigest()[:_ID_DIGITS]}"


def _row(due: Due, name: str, share: Share, *, time: str, what: dict[str, int]) -> LedgerRow:
    row = _bare_row(due, name, time=time, what=what)
    row.model, row.deployment, row.region = share.name, share.deployment.label, share.deployment.region
    return row


def _bare_row(due: Due, name: str, *, time: str, what: Mapping[str, object]) -> LedgerRow:
    kind = {JOB.name: JOB, RESPONSE.name: RESPONSE}.get(due.kind, BATCH)
    path = f"/v1/{kind.path}" if due.path == UNIFIED else f"/{due.provider}{due.path.partition('?')[0]}"
    tags = {"settled": due.upstream_id, **{key: str(value) for key, value in what.items()}}
    return LedgerRow(
        request_id=request_id(due, name),
        time=time,
        stage="",
        key_id=due.key_id,
        account=due.account,
        owner=due.owner,
        use_case=due.use_case,
        priority="batch",
        path=path[:200],
        provider=due.provider,
        stream=0,
        status=200,
        outcome="ok",
        attempts=1,
        tags=json.dumps(tags),
    )


def _price(row: LedgerRow, share: Share, cost_usd: float | None) -> None:
    if cost_usd is None or share.rate is None:
        row.cost_source = "unknown"
        return
    row.cost_usd, row.cost_source, row.price_version = cost_usd, share.rate.source, share.rate.version
