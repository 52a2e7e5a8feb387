"""`/admin/v1/usage` and the reports below it: parse, one question for a child, reply."""

from __future__ import annotations

import time
from datetime import MAXYEAR, UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.reports.asked import Asked, Pool, Report, Route, Target, Targets
from workbench.gateway.reports.desk import ReportDesk
from workbench.gateway.reports.question import Question, moment, question
from workbench.gateway.requests import headers_of
from workbench.gateway.times import utc_text
from workbench.settings.reports import ServiceLevelSettings

_WEEK = 7 * 86400


class ReportRoutes:
    """Reports over the ledger of every key, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._desk = ReportDesk()

    async def usage(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage`: what calls used and cost, by group."""
        return await self._answer(request, "usage", question(request.query_params, now=time.time()))

    async def showback(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage/showback?month=2026-11`: each use case with its share of what is reserved."""
        since, until = _month(request.query_params.get("month"))
        asked = question(request.query_params, now=time.time(), also=("month",))
        asked = Question(filters=asked.filters, since=since, until=until)
        return await self._answer(request, "showback", asked, pools=self._pools())

    async def slo(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage/slo`: which share of calls was answered, and in time."""
        return await self._answer(request, "slo", self._lately(request), targets=self._targets())

    async def capacity(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage/capacity`: how reserved capacity is used, and what to move there."""
        return await self._answer(
            request, "capacity", self._lately(request), pools=self._pools(), routes=self._routes()
        )

    async def _answer(self, request: Request, report: Report, asked: Question, **more: Any) -> Response:
        await self._gateway.identities.of(headers_of(request), role="admin")
        settings = self._gateway.settings
        spool = str(self._gateway.spool.path)
        told = await self._desk.ask(Asked(report=report, spool=spool, lake=settings.lake_url, question=asked, **more))
        return json_reply(request, {"since": asked.since, "until": asked.until, **told})

    def _lately(self, request: Request) -> Question:
        now = time.time()
        asked = question(request.query_params, now=now)
        lately = Question(
            filters=asked.filters,
            since=asked.since or moment(utc_text(now - _WEEK), name="since", now=now),
            until=asked.until or utc_text(now),
        )
        if (lately.since or "") > (lately.until or ""):
            raise InvalidInput(f"since is {lately.since}, behind {lately.until}.", param="since")
        return lately

    def _pools(self) -> tuple[Pool, ...]:
        pools = {
            label: Pool(
                deployment=label,
                tokens_per_minute=deployment.tokens_per_minute,
                usd_per_hour=deployment.reserved_usd_per_hour,
                since=None
                if deployment.reserved_from is None
                else f"{deployment.reserved_from.isoformat()}T00:00:00.000Z",
            )
            for model in self._gateway.settings.models
            for deployment in model.deployments
            for label in [f"{deployment.provider}/{deployment.model}"]
            if deployment.capacity == "reserved"
        }
        return tuple(pools.values())

    def _routes(self) -> tuple[Route, ...]:
        """Return which models' calls a pool could take: its own, and those that name it as their substitute."""
        models = {model.name: model for model in self._gateway.models}
        found = []
        for model in models.values():
            for name in (model.name, *model.substitutes):
                found += [
                    Route(model=model.name, pool=deployment.label)
                    for deployment in (models[name].deployments if name in models else ())
                    if deployment.capacity == "reserved"
                ]
        return tuple(dict.fromkeys(found))

    def _targets(self) -> Targets:
        reports = self._gateway.settings.reports
        batch = [one.name for one in self._gateway.use_cases.all() if one.service_level == "batch"]
        return Targets(
            default=_target(reports.service_level),
            own={name: _target(level) for name, level in reports.use_cases.items()},
            batch=tuple(batch),
        )


def _target(level: ServiceLevelSettings) -> Target:
    return Target(
        latency_ms=level.latency_ms, first_token_ms=level.first_token_ms, success=level.success,
        attainment=level.attainment,
    )  # fmt: skip


def _month(text: str | None) -> tuple[str, str]:
    """Return the first moment of a month, and the first after it; of the current month, now."""
    now = datetime.now(UTC)
    try:
        first = datetime.strptime(text or f"{now:%Y-%m}", "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"month is {text!r}; expected one such as 2026-11.", param="month") from error
    if first.year == MAXYEAR:
        raise InvalidInput(f"month is {text!r}; expected one such as 2026-11.", param="month")
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return utc_text(first.timestamp()), utc_text(max(first, min(after, now)).timestamp())
