"""The gateway's front door: which hosts may be named, an id for each request, and one shape for every error."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.errors import MethodNotAllowed, NotFound, PermissionDenied, Unavailable, WorkbenchError
from workbench.gateway.access.credentials import key_of
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.parts import Parts
from workbench.gateway.reply import error_reply, name_request, refuse, request_id_of
from workbench.gateway.request_id import new_request_id
from workbench.gateway.times import utc_now

_log = logging.getLogger("workbench.gateway")

_LOOPBACK = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})


class Door:
    """ASGI wrapper around all routes.

    A gateway on a loopback address answers to loopback names only: a web page whose own name was rebound to this
    machine is refused. There is no CORS: pages of other origins get nothing.
    """

    def __init__(
        self, app: ASGIApp, *, host: str, calls: Mapping[str, ASGIApp], native: Callable[[Scope], ASGIApp | None]
    ) -> None:
        self._app = app
        self._calls = calls
        self._native = native
        self._hosts = _LOOPBACK | {host.encode()} if _is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it for the host that it names."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name_request(scope, new_request_id())
        if self._hosts is not None and not self._welcome(scope):
            error = PermissionDenied(
                "This gateway serves its own machine only, and the Host header names another.",
                hint="Use http://127.0.0.1:PORT.",
                code="host_not_allowed",
            )
            await refuse(scope, receive, send, error)
            return
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        # A call answers for its own errors: it needs none of what stands around the other routes.
        call = self._calls.get(scope["path"]) if scope["method"] == "POST" else None
        await (call or self._native(scope) or self._app)(scope, receive, send)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        native = self._native(scope)
        if native is not None:
            await native(scope, receive, send)
        else:
            path = scope["path"][:200]
            told = NotFound(f"No WebSocket is served at {path}.", hint="Live APIs are below /{provider}/.")
            await refuse(scope, receive, send, told)

    def _welcome(self, scope: Scope) -> bool:
        assert self._hosts is not None
        for name, value in scope["headers"]:
            if name == b"host" and _without_port(value).lower() not in self._hosts:
                return False
        return True


async def on_workbench_error(request: Request, error: Exception) -> Response:
    """Answer with the envelope of an error that was raised on purpose."""
    assert isinstance(error, WorkbenchError)
    return error_reply(request, error)


async def on_client_left(_request: Request, _error: Exception) -> Response:
    """Answer a client that is not there any more."""
    return Response(status_code=499)


async def on_unexpected_error(request: Request, error: Exception) -> Response:
    """Answer with an envelope that tells nothing of the inside."""
    _log.error("request %s failed", request_id_of(request.scope), exc_info=error)
    return error_reply(request, WorkbenchError("The gateway failed on this request.", hint="See the gateway's log."))


class UnknownPath:
    """What is answered where no route fits; below `/v1` it leaves a row in the ledger, like any refused call."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def __call__(self, request: Request, error: Exception) -> Response:
        """Answer 404 or 405 in the envelope."""
        assert isinstance(error, HTTPException)
        path = request.url.path[:200]
        told: WorkbenchError
        if error.status_code == 405:
            told = MethodNotAllowed(f"{path} does not take {request.method}.")
        else:
            told = NotFound(f"There is nothing at {path}.", hint="The unified API is below /v1.")
        if path.startswith("/v1/"):
            await self._record(request, path, told)
        return error_reply(request, told)

    async def _record(self, request: Request, path: str, error: WorkbenchError) -> None:
        row = LedgerRow(
            request_id=request_id_of(request.scope), time=utc_now(), stage=self._gateway.stage, path=path,
            status=error.status, outcome="refused", error_code=error.error_code, cost_usd=0.0,
        )  # fmt: skip
        try:
            key = key_of(dict(request.scope["headers"]), self._gateway.keys)
            row.key_id, row.account, row.owner, row.use_case = key.id, key.account, key.owner, key.use_case
        except WorkbenchError:
            pass  # nobody's key: the row stands without one
        try:
            await self._gateway.spool.write(row)
        except Unavailable:
            _log.warning("the row of request %s waits for the ledger", row.request_id)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_port(value: bytes) -> bytes:
    return value.partition(b"]")[0] + b"]" if value.startswith(b"[") else value.partition(b":")[0]
