"""`/admin/v1/usage/settle` and `/admin/v1/prices`: parse, one verb, reply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of
from workbench.gateway.routing.models import Deployment, Model
from workbench.gateway.settlement.settlement import Settlement


class SettlementRoutes:
    """What an admin does about the cost of calls."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._settlement = Settlement(gateway)

    async def settle(self, request: Request) -> Response:
        """Answer `POST /admin/v1/usage/settle`: price what has ended; may be asked for as often as is wished."""
        await self._admit(request)
        run = await asyncio.shield(self._settlement.run())  # who asks may leave; what was taken is brought to its end
        return json_reply(request, run.as_dict())

    async def prices(self, request: Request) -> Response:
        """Answer `GET /admin/v1/prices?model=`: which prices hold, where each comes from, and since when."""
        await self._admit(request)
        name = request.query_params.get("model")
        models = list(self._gateway.models) if name is None else [self._gateway.models.get(name)]
        return json_reply(request, {"data": [row for model in models for row in self._rows(model)]})

    def _rows(self, model: Model) -> Iterator[dict[str, Any]]:
        for deployment in model.deployments:
            yield {"model": model.name, "deployment": deployment.label, **self._told(deployment)}

    def _told(self, deployment: Deployment) -> dict[str, Any]:
        prices = self._gateway.prices
        now = prices.of(deployment).rate
        history = [
            {"from": since, "in_force": rate == now, **rate.as_dict(), "batch": rate.graded("batch").as_dict()}
            for since, rate in prices.history(deployment)
        ]
        return {
            "region": deployment.region,
            "capacity": deployment.capacity,
            "usd_per_hour": deployment.reserved_usd_per_hour,
            "prices": history,
        }

    async def _admit(self, request: Request) -> None:
        await self._gateway.identities.of(headers_of(request), role="admin")
