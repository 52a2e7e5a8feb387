"""`/openapi.json` for programs and `/docs` for people: the same for everybody, and nothing about this gateway's use."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.reply import json_reply, request_id_of
from workbench.wire import headers as names


async def described(request: Request) -> Response:
    """Answer `GET /openapi.json`."""
    from workbench.gateway.openapi.whole import whole  # noqa: PLC0415 - loads when somebody asks

    return json_reply(request, whole())


async def read(request: Request) -> Response:
    """Answer `GET /docs`: a page without scripts."""
    from workbench.gateway.openapi.whole import page  # noqa: PLC0415 - loads when somebody asks

    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
               names.REQUEST_ID: request_id_of(request.scope)}  # fmt: skip
    return Response(page(), media_type="text/html", headers=headers)
