"""`/keys` for identities and `/me` for keys: parse, one verb, reply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.access.credentials import key_of
from workbench.gateway.access.issuing import ExplorationWish
from workbench.gateway.access.keys import Key
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json, whole_number

_wish = msgspec.json.Decoder(ExplorationWish)
_MOST_ROWS = 1000


class KeyRoutes:
    """Self-service of an identity."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def issue(self, request: Request) -> Response:
        """Answer `POST /keys/exploration`."""
        owner = await self._gateway.identities.of(headers_of(request))
        issued = await self._gateway.issuer.exploration(await read_json(request, _wish), owner)
        told = issued.key.as_dict()
        fields = ("id", "kind", "owner", "note", "created_at", "expires_at", "scopes", "limits")
        return json_reply(request, {"key": issued.secret, **{name: told[name] for name in fields}}, status=201)

    async def list(self, request: Request) -> Response:
        """Answer `GET /keys`."""
        owner = await self._gateway.identities.of(headers_of(request))
        return json_reply(request, {"data": [key.as_dict() for key in self._gateway.keys.owned_by(owner.name)]})

    async def revoke(self, request: Request) -> Response:
        """Answer `DELETE /keys/{id}`."""
        owner = await self._gateway.identities.of(headers_of(request))
        key = await self._gateway.issuer.revoke(request.path_params["id"], owner)
        return json_reply(request, key.as_dict())


class MeRoutes:
    """What a key may know of itself."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def show(self, request: Request) -> Response:
        """Answer `GET /me`."""
        key = key_of(headers_of(request), self._gateway.keys)
        left, held_to = self._gateway.admission.left(key), self._held_to(key)
        told = {**key.as_dict(), "stage": self._gateway.stage, "held_to": held_to, "left": left}
        return json_reply(request, told)

    def _held_to(self, key: Key) -> list[dict[str, Any]]:
        """Return how everything stands that may refuse a call of a key: itself, its use case, its owner, and so on."""
        gateway = self._gateway
        models = [model.name for model in gateway.models.visible(key) if key.scopes.allow_model(model.name)]
        providers = [name for name in gateway.providers if key.scopes.allow_provider(name)]
        return gateway.admission.holding(key, models=models, providers=providers)

    async def calls(self, request: Request) -> Response:
        """Answer `GET /me/calls`."""
        key = key_of(headers_of(request), self._gateway.keys)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_ROWS)
        request_id = request.query_params.get("request_id")
        if request_id is not None and len(request_id) > 200:
            raise InvalidInput("request_id is too long.", param="request_id")
        rows = await asyncio.to_thread(self._gateway.reports.calls, key.id, request_id=request_id, limit=limit)
        return json_reply(request, {"data": rows})

    async def usage(self, request: Request) -> Response:
        """Answer `GET /me/usage`."""
        key = key_of(headers_of(request), self._gateway.keys)
        rows = await asyncio.to_thread(self._gateway.reports.usage, key.id)
        sums = ("calls", "errors", "input_tokens", "output_tokens", "calls_without_price")
        total = {name: sum(row[name] for row in rows) for name in sums}
        cost = sum(row["cost_usd"] or 0.0 for row in rows)
        return json_reply(request, {**total, "cost_usd": cost, "models": rows})
