"""`/admin/v1/alerts`: what was told, and a test of every destination."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, whole_number


class AlertRoutes:
    """Alerts, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer `GET /admin/v1/alerts`: the newest first, each with its deliveries."""
        await self._gateway.identities.of(headers_of(request), role="admin")
        limit = whole_number(request, "limit", default=50, least=1, most=1000)
        return json_reply(request, {"data": await self._gateway.alerts.latest(limit)})

    async def test(self, request: Request) -> Response:
        """Answer `POST /admin/v1/alerts/test`: send a test to every destination, and tell what became of it."""
        await self._gateway.identities.of(headers_of(request), role="admin")
        return json_reply(request, {"data": await self._gateway.alerts.test()})
