"""`/admin/v1/audit`: ship now, show a call with its kept bodies, real traffic as a dataset; one's own bodies.

Parse, one verb, reply.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from workbench.errors import InvalidInput, NotFound
from workbench.gateway.audit.turns import said
from workbench.gateway.ledger.my_routes import explores
from workbench.gateway.ledger.reports import Filter
from workbench.gateway.reply import json_reply, request_id_of
from workbench.gateway.reports.question import moment
from workbench.gateway.requests import headers_of, whole_number
from workbench.settings.audit import EXPLORATION
from workbench.wire import headers as names

if TYPE_CHECKING:
    from workbench.gateway.audit.records import Kept
    from workbench.gateway.parts import Parts

_MOST_EXAMPLES = 100_000
_MOST_SEED = 2**31
_LONGEST_ID = 200


class AuditRoutes:
    """The record of calls, for an admin; datasets for a reviewer, too."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def ship(self, request: Request) -> Response:
        """Answer `POST /admin/v1/audit/ship`: what is new goes to the lake, what is over its time goes."""
        await self._gateway.identities.of(headers_of(request), role="admin")
        return json_reply(request, await self._gateway.keeper.ship())

    async def show(self, request: Request) -> Response:
        """Answer `GET /admin/v1/audit/calls/{request_id}`: the row, and what was kept of the bodies."""
        await self._gateway.identities.of(headers_of(request), role="admin")
        request_id = _request_id(request)
        lines = [line async for line in self._gateway.keeper.run("show", request_id)]
        return json_reply(request, msgspec.Raw(lines[-1]))

    async def dataset(self, request: Request) -> Response:
        """Answer `GET /admin/v1/audit/dataset`: one example a line."""
        from workbench.gateway.audit.replay import Wish  # noqa: PLC0415 - no start needs it, and few ask

        await self._gateway.identities.of(headers_of(request), role="reviewer")
        query, now = request.query_params, time.time()
        since = moment(query.get("since"), name="since", now=now)
        if since is None:
            raise InvalidInput("since is missing.", hint="Say from when on, such as 2026-11-22 or 7d.", param="since")
        wish = Wish(
            since=since,
            until=moment(query.get("until"), name="until", now=now),
            use_case=query.get("use_case"),
            model=query.get("model"),
            sample=whole_number(request, "sample", default=200, least=1, most=_MOST_EXAMPLES),
            seed=whole_number(request, "seed", default=0, least=0, most=_MOST_SEED),
        )
        lines = self._gateway.keeper.run("dataset", msgspec.json.encode(wish).decode())
        first = await anext(lines, b"")  # what fails at once is told as an error, not as a stream that breaks
        return StreamingResponse(
            _all(first, lines),
            media_type="application/x-ndjson",
            headers={names.REQUEST_ID: request_id_of(request.scope)},
        )


class MyBodyRoutes:
    """What was said in one's own exploration calls, where it is kept."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def show(self, request: Request) -> Response:
        """Answer `GET /me/calls/{request_id}/body`: the bodies, and what was said in them if it was a chat."""
        gateway = self._gateway
        key = await gateway.identities.key(headers_of(request))
        request_id = _request_id(request)
        which = Filter(request_id=request_id, owner=key.owner)
        rows, _ = await asyncio.to_thread(gateway.reports.page, which, limit=1, before=None)
        if not (rows and explores(key) and rows[0]["data_class"] == EXPLORATION):
            raise NotFound(
                f"No exploration call {request_id[:100]!r} of yours.",
                hint="What a use case's calls said is for its platform team: `workbench audit show`.",
                code="call_not_found",
            )
        kept = await asyncio.to_thread(self._kept, rows[0])
        if kept is None:
            raise NotFound(
                f"What was said in call {request_id} is not kept.",
                hint='[audit.bodies] exploration = "keep" keeps it from then on, for [audit.retention] bodies_days.',
                code="body_not_kept",
            )
        told = said(rows[0]["path"], kept.request, kept.response)
        chat = None if told is None else {"messages": told[0], "text": told[1], "parameters": told[2]}
        return json_reply(request, {"request_id": request_id, **kept.as_dict(), "said": chat})

    def _kept(self, row: dict[str, Any]) -> Kept | None:
        from workbench.gateway.audit.records import Records  # noqa: PLC0415 - no start needs it, and few ask

        if not str(row["body_ref"] or "").startswith("keep:"):
            return None
        records = Records(self._gateway.spool.path, self._gateway.settings.lake_url)
        return records.bodies([row]).get(row["request_id"])


def _request_id(request: Request) -> str:
    request_id: str = request.path_params["request_id"]
    if len(request_id) > _LONGEST_ID or request_id.startswith("-"):
        raise InvalidInput("That is no request id.", hint="They look like req_019...", param="request_id")
    return request_id


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in rest:
        yield line
