"""Hours of reserved capacity, which are paid whether they are used or not: a ledger row a deployment and day, UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from workbench.errors import NotFound
from workbench.gateway.ledger.row import RESERVED_CAPACITY, LedgerRow
from workbench.gateway.routing.models import Deployment, Models
from workbench.gateway.settlement.rows import request_id
from workbench.gateway.settlement.store import HOURS, Due, SettlementStore
from workbench.settings import Settings

_HOURS_A_DAY = 24
_MOST_DAYS = 366


def due_hours(settings: Settings, models: Models, store: SettlementStore, *, now: float) -> list[Due]:
    """Return the days that have ended, of each deployment that is paid by the hour. Blocks."""
    reserved = dict(_reserved(models))
    if not reserved:
        return []
    began = {
        (deployment.provider, deployment.model): deployment.reserved_from
        for model in settings.models
        for deployment in model.deployments
    }
    yesterday = datetime.fromtimestamp(now, UTC).date() - timedelta(days=1)
    first = store.first_of(HOURS)
    since = yesterday if first is None else datetime.fromtimestamp(first, UTC).date()
    due = []
    for deployment, _ in reserved.values():
        day = began.get((deployment.provider, deployment.model)) or since
        day = max(day, yesterday - timedelta(days=_MOST_DAYS))
        while day <= yesterday:
            due.append(_due(deployment, day))
            day += timedelta(days=1)
    return due


def row_of_hours(due: Due, models: Models, *, stage: str) -> LedgerRow:
    """Return the row of a day; raises NotFound where its deployment is paid by the hour no more."""
    place, _, day = due.upstream_id.rpartition(" ")
    found = dict(_reserved(models)).get(place)
    if found is None:
        raise NotFound(f"{place} is paid by the hour no more.", hint="The admin books the day by hand.")
    deployment, name = found
    usd = deployment.reserved_usd_per_hour or 0.0
    return LedgerRow(
        request_id=request_id(due, deployment.model),
        time=f"{day}T00:00:00.000Z",
        stage=stage,
        priority="batch",
        path=RESERVED_CAPACITY,
        model=name,
        deployment=deployment.label,
        region=deployment.region,
        provider=deployment.provider,
        stream=0,
        status=200,
        outcome="ok",
        attempts=0,
        cost_usd=round(usd * _HOURS_A_DAY, 12),
        cost_source="settings",
        price_version=f"reserved@{usd:g}/h",
    )


def _reserved(models: Models) -> Iterator[tuple[str, tuple[Deployment, str]]]:
    """Yield the deployments that are paid by the hour, by their ids, with a model that they serve."""
    seen: set[str] = set()
    for model in models:
        for deployment in model.deployments:
            if deployment.reserved_usd_per_hour is not None and deployment.id not in seen:
                seen.add(deployment.id)
                yield deployment.id, (deployment, model.name)


def _due(deployment: Deployment, day: date) -> Due:
    began = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return Due(
        kind=HOURS, provider=deployment.provider, upstream_id=f"{deployment.id} {day.isoformat()}", created_at=began
    )
