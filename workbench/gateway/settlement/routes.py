"""`/admin/v1/usage/settle` and `/admin/v1/prices`: parse, one verb, reply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.access.limits import MOST_USD
from workbench.gateway.admission.purse import dollars
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json
from workbench.gateway.routing.models import Deployment, Model
from workbench.gateway.settlement.settlement import Settlement
from workbench.gateway.settlement.store import Due
from workbench.gateway.times import utc_text


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /admin/v1/usage/settle/{id}`."""

    usd: Annotated[float, msgspec.Meta(ge=0, le=MOST_USD)] | None = None
    """What it cost; None: what was kept for it."""


_closing = msgspec.json.Decoder(Closing)


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

    async def waiting(self, request: Request) -> Response:
        """Answer `GET /admin/v1/usage/settle`: what waits to be settled, the oldest first, and what is kept for it."""
        await self._admit(request)
        rows = await asyncio.to_thread(self._gateway.objects.settlements.open_rows)
        return json_reply(request, {"data": [_waiting(due, note) for due, note in rows]})

    async def close(self, request: Request) -> Response:
        """Answer `POST /admin/v1/usage/settle/{id}`: wait for one thing no longer."""
        admin = await self._gateway.identities.of(headers_of(request), role="admin")
        wish = await read_json(request, _closing, hint="Fields: usd (what it cost; what was kept for it if left out).")
        closing = self._settlement.close(request.path_params["id"], usd=wish.usd, by=admin.name)
        return json_reply(request, (await asyncio.shield(closing)).as_dict())

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


def _waiting(due: Due, note: str | None) -> dict[str, Any]:
    return {
        "id": due.id,
        "kind": due.kind,
        "provider": due.provider,
        "upstream_id": due.upstream_id,
        "key_id": due.key_id,
        "owner": due.owner,
        "use_case": due.use_case,
        "created_at": utc_text(due.created_at),
        "held_usd": None if due.held is None else dollars(due.held),
        "note": note,
    }
