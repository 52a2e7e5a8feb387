"""`/me/calls`: a caller's own rows. Parse, one question to the ledger, reply."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.reports import Filter
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.reports.question import moment
from workbench.gateway.requests import cursor_of, headers_of, whole_number
from workbench.wire.tags import parse_tags

_MOST_ROWS = 1000
_LONGEST_ID = 200


class MyCallRoutes:
    """The ledger, as far as it is one's own."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def calls(self, request: Request) -> Response:
        """Answer `GET /me/calls?request_id=&tags=&since=&limit=&cursor=`: rows, newest first."""
        key = await self._gateway.identities.key(headers_of(request))
        which = _which(request, key)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_ROWS)
        rows, place = await asyncio.to_thread(self._gateway.reports.page, which, limit=limit, before=cursor_of(request))
        if not rows and (found := await self._gateway.elsewhere.call(which.request_id)) and which.fits(found):
            rows = [found]
        return json_reply(request, {"data": rows, "next": None if place is None else str(place)})


def explores(key: Key) -> bool:
    """Tell whether a key's calls are exploration of its owner, and no use case's."""
    return key.kind == "exploration" and key.use_case is None


def _which(request: Request, key: Key) -> Filter:
    """Return the calls that are meant: those of the key's line, with tags all that its owner explored."""
    query = request.query_params
    request_id = query.get("request_id")
    if request_id is not None and len(request_id) > _LONGEST_ID:
        raise InvalidInput("request_id is too long.", param="request_id")
    tags = parse_tags(",".join(query.getlist("tags")))
    wide = bool(tags) and explores(key)
    return Filter(
        since=moment(query.get("since"), name="since", now=time.time()),
        request_id=request_id,
        account=None if wide else key.account,
        explorer=key.owner if wide else None,
        tags=tuple(tags.items()),
    )
