"""`/admin/v1/calls`: parse, one question to the ledger, reply."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.ledger.reports import Filter
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.reports.question import moment
from workbench.gateway.requests import cursor_of, headers_of, whole_number

_MOST_ROWS = 1000
_ASKED = ("since", "use_case", "model", "request_id", "key_id", "owner", "account", "limit", "cursor")


class AdminLedgerRoutes:
    """The ledger of every key, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def calls(self, request: Request) -> Response:
        """Answer `GET /admin/v1/calls`: rows, newest first."""
        await self._admit(request)
        which = _which(request)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_ROWS)
        rows, place = await asyncio.to_thread(self._gateway.reports.page, which, limit=limit, before=cursor_of(request))
        if not rows and (found := await self._gateway.elsewhere.call(which.request_id)) and which.fits(found):
            rows = [found]
        return json_reply(request, {"data": rows, "next": None if place is None else str(place)})

    async def _admit(self, request: Request) -> None:
        await self._gateway.identities.of(headers_of(request), role="admin")


def _which(request: Request) -> Filter:
    query = request.query_params
    if unknown := [name for name in query if name not in _ASKED]:
        raise InvalidInput(
            f"Calls can't be asked for by {unknown[0][:40]!r}.",
            hint=f"Known: {', '.join(_ASKED)}.",
            param=unknown[0][:40],
        )
    since = moment(query.get("since"), name="since", now=time.time())
    return Filter(
        since=since, use_case=query.get("use_case"), model=query.get("model"), request_id=query.get("request_id"),
        key_id=query.get("key_id"), owner=query.get("owner"), account=query.get("account"),
    )  # fmt: skip
