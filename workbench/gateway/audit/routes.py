"""`/admin/v1/audit`: ship now, show a call with its kept bodies, real traffic as a dataset. Parse, one verb, reply."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from workbench.errors import InvalidInput
from workbench.gateway.audit.replay import Wish
from workbench.gateway.reply import json_reply, request_id_of
from workbench.gateway.reports.question import moment
from workbench.gateway.requests import headers_of, whole_number
from workbench.wire import headers as names

if TYPE_CHECKING:
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
        request_id = request.path_params["request_id"]
        if len(request_id) > _LONGEST_ID or request_id.startswith("-"):
            raise InvalidInput("That is no request id.", hint="They look like req_019...", param="request_id")
        lines = [line async for line in self._gateway.keeper.run("show", request_id)]
        return json_reply(request, msgspec.Raw(lines[-1]))

    async def dataset(self, request: Request) -> Response:
        """Answer `GET /admin/v1/audit/dataset`: one example a line."""
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


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for line in rest:
        yield line
