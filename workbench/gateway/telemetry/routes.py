"""`/metrics`, for an admin or whoever has `[gateway] metrics_token`."""

from __future__ import annotations

import asyncio
import hmac

from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.parts import Parts
from workbench.gateway.requests import headers_of
from workbench.gateway.telemetry import page
from workbench.settings import resolve_credential

_BEARER = b"bearer "


class MetricsRoutes:
    """The metrics of all workers, on one page."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def show(self, request: Request) -> Response:
        """Answer `GET /metrics`."""
        headers = headers_of(request)
        if not self._has_token(headers.get(b"authorization", b"")):
            await self._gateway.identities.of(headers, role="admin")
        totals = self._gateway.metrics.totals()
        return Response(await asyncio.to_thread(page.render, totals), headers={"content-type": page.KIND})

    def _has_token(self, authorization: bytes) -> bool:
        settings = self._gateway.settings
        if settings.gateway.metrics_token is None or authorization[: len(_BEARER)].lower() != _BEARER:
            return False
        token = resolve_credential(settings.gateway.metrics_token, folder=settings.folder)
        return hmac.compare_digest(authorization[len(_BEARER) :].strip(), token.encode())
