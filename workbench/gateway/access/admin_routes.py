"""`/admin/v1/keys`: parse, one verb, reply."""

from __future__ import annotations

import asyncio
import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import KeyChange, KeyWish, RotationWish
from workbench.gateway.access.keys import Key
from workbench.gateway.access.rotated import ROTATION_FIELDS, rotated
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json, whole_number

_wish = msgspec.json.Decoder(KeyWish)
_change = msgspec.json.Decoder(KeyChange)
_rotation = msgspec.json.Decoder(RotationWish)
_HELD_TO = (
    "scopes {models, providers, paths, features}, "
    "limits {requests_per_second, burst, requests_per_minute, requests_per_day, "
    "tokens_per_minute, tokens_per_day, concurrent}, "
    "budget {usd_per_day, usd_per_month, usd_total}"
)
_WISH_FIELDS = f"Fields: kind (exploration or production), owner, use_case, note, expires_in, {_HELD_TO}."
_CHANGE_FIELDS = f"Fields: note, {_HELD_TO}."
_CURSOR = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)~(key_[0-9a-f]{1,32})")
_MOST_KEYS = 1000


class AdminKeyRoutes:
    """Keys of every owner, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def issue(self, request: Request) -> Response:
        """Answer `POST /admin/v1/keys`."""
        admin = await self._admin(request)
        wish = await read_json(request, _wish, hint=_WISH_FIELDS)
        issued = await self._gateway.issuer.issue(wish, admin)
        self._gateway.admission.hold_to(issued.key)
        return json_reply(request, {"key": issued.secret, **issued.key.as_dict()}, status=201)

    async def list(self, request: Request) -> Response:
        """Answer `GET /admin/v1/keys?owner=&use_case=&limit=&cursor=`: newest first."""
        await self._admin(request)
        query = request.query_params
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_KEYS)
        keys = await asyncio.to_thread(
            self._gateway.key_store.page,
            limit=limit + 1,
            after=_after(query.get("cursor")),
            owner=query.get("owner"),
            use_case=query.get("use_case"),
        )
        told = [self._told(key) for key in keys[:limit]]
        return json_reply(request, {"data": told, "next": _cursor(keys[limit - 1]) if len(keys) > limit else None})

    async def show(self, request: Request) -> Response:
        """Answer `GET /admin/v1/keys/{id}`."""
        await self._admin(request)
        return json_reply(request, self._told(await self._gateway.issuer.find(request.path_params["id"])))

    async def change(self, request: Request) -> Response:
        """Answer `PATCH /admin/v1/keys/{id}`."""
        await self._admin(request)
        change = await read_json(request, _change, hint=_CHANGE_FIELDS)
        account = (await self._gateway.issuer.find(request.path_params["id"])).account
        spent = await asyncio.to_thread(self._gateway.reports.spent, "key", [account])
        key = await self._gateway.issuer.change(request.path_params["id"], change)
        go_on = change.budget is not msgspec.UNSET
        self._gateway.admission.hold_to(key, spent=spent.get(account), go_on=go_on)
        return json_reply(request, self._told(key))

    async def rotate(self, request: Request) -> Response:
        """Answer `POST /admin/v1/keys/{id}/rotate`."""
        await self._admin(request)
        return await rotated(self._gateway, request, await read_json(request, _rotation, hint=ROTATION_FIELDS))

    async def revoke(self, request: Request) -> Response:
        """Answer `DELETE /admin/v1/keys/{id}`."""
        await self._admin(request)
        return json_reply(request, (await self._gateway.issuer.end(request.path_params["id"])).as_dict())

    async def _admin(self, request: Request) -> Identity:
        return await self._gateway.identities.of(headers_of(request), role="admin")

    def _told(self, key: Key) -> dict[str, object]:
        return {**key.as_dict(), "left": self._gateway.admission.left(key)}


def _cursor(key: Key) -> str:
    return f"{key.created_at!r}~{key.id}"


def _after(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput("cursor is none of this list's.", hint="Send `next` of the page before.", param="cursor")
    return float(match[1]), match[2]
