"""`/keys` for identities and `/me` for keys: parse, one verb, reply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import ExplorationWish, RotationWish
from workbench.gateway.access.keys import Key
from workbench.gateway.access.rotated import ROTATION_FIELDS, rotated
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json

_wish = msgspec.json.Decoder(ExplorationWish)
_rotation = msgspec.json.Decoder(RotationWish)


class KeyRoutes:
    """Self-service of an identity."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def issue(self, request: Request) -> Response:
        """Answer `POST /keys/exploration`."""
        owner = await self._gateway.identities.of(headers_of(request))
        wish = await read_json(request, _wish)
        await self._gateway.review.acknowledging.check(owner)
        issued = await self._gateway.issuer.exploration(wish, owner)
        told = issued.key.as_dict()
        self._gateway.admission.hold_to(issued.key)
        fields = ("id", "kind", "owner", "note", "created_at", "expires_at", "scopes", "limits", "budget")
        return json_reply(request, {"key": issued.secret, **{name: told[name] for name in fields}}, status=201)

    async def list(self, request: Request) -> Response:
        """Answer `GET /keys`."""
        owner = await self._gateway.identities.of(headers_of(request))
        return json_reply(request, {"data": [key.as_dict() for key in self._gateway.keys.owned_by(owner.name)]})

    async def show(self, request: Request) -> Response:
        """Answer `GET /keys/{id}`."""
        owner = await self._gateway.identities.of(headers_of(request))
        key = await self._gateway.issuer.own(request.path_params["id"], owner)
        return json_reply(request, {**key.as_dict(), "left": self._gateway.admission.left(key)})

    async def rotate(self, request: Request) -> Response:
        """Answer `POST /keys/{id}/rotate`."""
        owner = await self._gateway.identities.of(headers_of(request))
        wish = await read_json(request, _rotation, hint=ROTATION_FIELDS)
        return await rotated(self._gateway, request, wish, owner=owner)

    async def revoke(self, request: Request) -> Response:
        """Answer `DELETE /keys/{id}`."""
        owner = await self._gateway.identities.of(headers_of(request))
        key = await self._gateway.issuer.revoke(request.path_params["id"], owner)
        return json_reply(request, key.as_dict())


class MeRoutes:
    """What a key may know of itself, and an identity of itself."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def show(self, request: Request) -> Response:
        """Answer `GET /me`."""
        who = await self._gateway.identities.reader(headers_of(request))
        if isinstance(who, Identity):
            return json_reply(request, {**who.as_dict(), "stage": self._gateway.stage})
        settings = self._gateway.settings.gateway
        told = {**who.as_dict(), "stage": self._gateway.stage, "other_stage_url": settings.other_stage_url}
        use_case = self._gateway.use_cases.get(who.use_case)
        if use_case is not None:
            told["use_case_is"] = {
                "owner": use_case.owner, "data_class": use_case.data_class, "service_level": use_case.service_level,
                "limits": msgspec.to_builtins(use_case.limits), "budget": msgspec.to_builtins(use_case.budget),
                "retired": use_case.retired,
            }  # fmt: skip
        told["held_to"] = self._held_to(who)
        return json_reply(request, {**told, "left": self._gateway.admission.left(who)})

    def _held_to(self, key: Key) -> list[dict[str, Any]]:
        """Return how everything stands that may refuse a call of a key: itself, its use case, its owner, and so on."""
        gateway = self._gateway
        models = [model.name for model in gateway.models.visible(key) if key.scopes.allow_model(model.name)]
        providers = [name for name in gateway.providers if key.scopes.allow_provider(name)]
        return gateway.admission.holding(key, models=models, providers=providers)

    async def usage(self, request: Request) -> Response:
        """Answer `GET /me/usage`."""
        key = await self._gateway.identities.key(headers_of(request))
        rows = await asyncio.to_thread(self._gateway.reports.usage, key.account)
        sums = ("calls", "errors", "input_tokens", "output_tokens", "calls_without_price")
        total = {name: sum(row[name] for row in rows) for name in sums}
        cost = sum(row["cost_usd"] or 0.0 for row in rows)
        return json_reply(request, {**total, "cost_usd": cost, "models": rows})
