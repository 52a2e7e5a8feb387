"""`/admin/v1/calls` and `/admin/v1/usage`: parse, one question to the ledger, reply."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.ledger.reports import GROUPS, Filter
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, whole_number
from workbench.gateway.times import utc_text

_MOST_ROWS = 1000
_LAST_PLACE = 2**62
_FILTERS = ("use_case", "model", "request_id", "key_id", "owner")


class AdminLedgerRoutes:
    """The ledger of every key, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def calls(self, request: Request) -> Response:
        """Answer `GET /admin/v1/calls`: rows, newest first."""
        await self._admit(request)
        which = _which(request)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_ROWS)
        cursor = request.query_params.get("cursor")
        before = None if cursor is None else whole_number(request, "cursor", default=0, least=1, most=_LAST_PLACE)
        rows, place = await asyncio.to_thread(self._gateway.reports.page, which, limit=limit, before=before)
        return json_reply(request, {"data": rows, "next": None if place is None else str(place)})

    async def usage(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage`: what the calls used and cost, by group."""
        await self._admit(request)
        groups = [name.strip() for name in request.query_params.get("group_by", "").split(",") if name.strip()]
        for name in groups:
            if name not in GROUPS or groups.count(name) > 1:
                raise InvalidInput(
                    f"Usage can't be grouped by {name[:40]!r}.", hint=f"Known: {', '.join(GROUPS)}.", param="group_by"
                )
        rows = await asyncio.to_thread(self._gateway.reports.sums, _which(request), groups)
        return json_reply(request, {"data": rows})

    async def _admit(self, request: Request) -> None:
        await self._gateway.identities.of(headers_of(request), role="admin")


def _which(request: Request) -> Filter:
    query = request.query_params
    return Filter(since=_since(query.get("since")), **{name: query.get(name) for name in _FILTERS})


def _since(text: str | None) -> str | None:
    """Return a time as the ledger writes it; a date alone is its first moment, a time without a zone is UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace(" ", "+"))
        return utc_text(time.replace(tzinfo=time.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"since is {text[:40]!r}; expected a time such as 2026-11-22 or 2026-11-22T09:00:00Z.", param="since"
        ) from error
