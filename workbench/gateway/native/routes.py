"""The door to the native paths: a first segment that names a provider leads here."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.errors import InvalidInput
from workbench.gateway.call import Call
from workbench.gateway.native import header_table
from workbench.gateway.native.errand import NativeErrand
from workbench.gateway.native.live import LiveCall
from workbench.gateway.native.model import NativeModels
from workbench.gateway.native.target import read_target, unread_target
from workbench.gateway.parts import Parts
from workbench.gateway.reply import refuse


class NativeRoutes:
    """`/{provider}/...` for every provider of the configuration."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._models = NativeModels()

    def at(self, scope: Scope) -> ASGIApp | None:
        """Return what answers a request, None where its path names no provider."""
        first = scope["path"][1:].partition("/")[0]
        return self if first in self._gateway.settings.providers else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one call live."""
        gateway = self._gateway
        refusal: InvalidInput | None = None
        try:
            target = read_target(scope["raw_path"], scope["query_string"])
            if scope["type"] == "websocket":
                header_table.check(scope["headers"])
        except InvalidInput as error:
            if scope["type"] == "websocket":
                await refuse(scope, receive, send, error)
                return
            target, refusal = unread_target(scope["path"]), error
        if scope["type"] == "websocket":
            await LiveCall(gateway, self._models, target, scope, receive=receive, send=send).live()
            return
        errand = NativeErrand(gateway, self._models, target, scope, refusal=refusal)
        try:
            await Call(gateway, errand, scope, receive, send).live()
        finally:
            errand.close()
