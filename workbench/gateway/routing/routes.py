"""Health, status, reload and registered models over HTTP: parse, one verb, reply."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.access.identity import Identity
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json
from workbench.gateway.routing import status
from workbench.gateway.routing.registry import Registration
from workbench.gateway.state import CONFIGURATION

_registration = msgspec.json.Decoder(Registration)


class RoutingRoutes:
    """What stands behind the gateway, and how it is doing."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def health(self, request: Request) -> Response:
        """Answer `GET /admin/v1/health`: each deployment."""
        await self._admin(request)
        upstream = self._gateway.upstream
        return json_reply(request, {"data": status.deployments(upstream.health, upstream.models)})

    async def status(self, request: Request) -> Response:
        """Answer `GET /v1/status`: each provider that the caller may use."""
        asker = await self._gateway.identities.reader(headers_of(request))
        upstream = self._gateway.upstream
        names = list(upstream.settings.providers)
        if not isinstance(asker, Identity):
            names = [name for name in names if asker.scopes.allow_provider(name)]
        told = status.providers(upstream.health, names, since=upstream.since)
        kinds = {name: provider.kind for name, provider in upstream.settings.providers.items()}
        return json_reply(request, {"data": [{**one, "kind": kinds[one["provider"]]} for one in told]})

    async def reload(self, request: Request) -> Response:
        """Answer `POST /admin/v1/reload`."""
        await self._admin(request)
        changed = await self._gateway.reloader.reload()
        await self._gateway.follower.tell(CONFIGURATION)
        return json_reply(request, {"reloaded": True, **changed})

    async def _admin(self, request: Request) -> Identity:
        return await self._gateway.identities.of(headers_of(request), role="admin")


class RegistryRoutes:
    """`/admin/v1/models`: models that are added to a running gateway."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer with all registered models."""
        await self._admin(request)
        return json_reply(request, {"data": [kept.as_dict() for kept in self._gateway.registry.list()]})

    async def show(self, request: Request) -> Response:
        """Answer with one registered model; its name may hold `/` and `:`."""
        await self._admin(request)
        return json_reply(request, self._gateway.registry.get(request.path_params["name"]).as_dict())

    async def add(self, request: Request) -> Response:
        """Answer `POST`: register a model, in force at once."""
        admin = await self._admin(request)
        registration = await read_json(request, _registration)
        kept = await self._gateway.registry.add(registration, lambda: self._gateway.upstream, by=admin.name)
        return json_reply(request, kept.as_dict(), status=201)

    async def remove(self, request: Request) -> Response:
        """Answer `DELETE`: take a registered model away."""
        await self._admin(request)
        kept = await self._gateway.registry.remove(request.path_params["name"], lambda: self._gateway.upstream)
        return json_reply(request, kept.as_dict())

    async def _admin(self, request: Request) -> Identity:
        return await self._gateway.identities.of(headers_of(request), role="admin")
