"""The unified endpoints: calls on the hot path as bare ASGI, the catalogue beside them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from workbench.gateway.access.identity import Identity
from workbench.gateway.access.keys import Key
from workbench.gateway.call import Call
from workbench.gateway.errand import Errand
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of
from workbench.gateway.unified.objects.actions import Action
from workbench.gateway.unified.objects.errand import ObjectErrand
from workbench.gateway.unified.responses import ResponsesErrand


class Calls:
    """An endpoint whose requests are calls."""

    def __init__(self, gateway: Parts, errand: Errand[Any]) -> None:
        self._gateway = gateway
        self._errand = errand

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call live."""
        await live(self._gateway, self._errand, scope, receive, send)


class ResponseCalls:
    """`POST /v1/responses`."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call live."""
        await live(self._gateway, ResponsesErrand(self._gateway), scope, receive, send)


class ObjectCalls:
    """One path and method of stored objects."""

    def __init__(self, gateway: Parts, action: Action) -> None:
        self._gateway = gateway
        self._action = action

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call live."""
        errand = ObjectErrand(self._gateway, self._action, scope)
        try:
            await live(self._gateway, errand, scope, receive, send)
        finally:
            await errand.close()


async def live(gateway: Parts, errand: Errand[Any], scope: Scope, receive: Receive, send: Send) -> None:
    """Let one call live, and close the form that it may have read."""
    call = Call(gateway, errand, scope, receive, send)
    try:
        await call.live()
    finally:
        form = getattr(getattr(call, "question", None), "form", None)
        if form is not None:
            form.close()


class ModelRoutes:
    """`GET /v1/models` and `GET /v1/models/{name}`."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer with all models."""
        key = await self._key(request)
        await self._gateway.latencies.refresh()
        return json_reply(request, self._gateway.catalogue.list(key, self._gateway.latencies))

    async def show(self, request: Request) -> Response:
        """Answer with one model; its name may hold `/` and `:`."""
        key, name = await self._key(request), request.path_params["name"]
        await self._gateway.latencies.refresh()
        return json_reply(request, self._gateway.catalogue.get(name, key, self._gateway.latencies))

    async def _key(self, request: Request) -> Key | None:
        reader = await self._gateway.identities.reader(headers_of(request))
        return None if isinstance(reader, Identity) else reader
