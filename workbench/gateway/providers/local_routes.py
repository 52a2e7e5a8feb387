"""`/admin/v1/local`: which embedded models are in memory, and starting and stopping them by hand."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import NotFound
from workbench.gateway.parts import Parts
from workbench.gateway.providers.local import LocalProvider
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of


class LocalRoutes:
    """For admins."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer with the models that are in memory; none of them is loaded for it."""
        await self._admin(request)
        rows = [
            {**engine, "provider": provider.name}
            for provider in self._gateway.providers.values()
            if isinstance(provider, LocalProvider)
            for engine in await provider.engines()
        ]
        return json_reply(request, {"data": rows})

    async def start(self, request: Request) -> Response:
        """Load the model that the path names."""
        await self._admin(request)
        return json_reply(request, await self._provider().start_engine(request.path_params["name"]))

    async def stop(self, request: Request) -> Response:
        """Take the model that the path names out of memory."""
        await self._admin(request)
        return json_reply(request, await self._provider().stop_engine(request.path_params["name"]))

    async def _admin(self, request: Request) -> None:
        await self._gateway.identities.of(headers_of(request), role="admin")

    def _provider(self) -> LocalProvider:
        for provider in self._gateway.providers.values():
            if isinstance(provider, LocalProvider):
                return provider
        raise NotFound(
            "This gateway serves no embedded models.", hint="Add a provider of kind 'local' to its configuration."
        )
