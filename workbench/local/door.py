"""The HTTP door of our processes: one token, one shape of error, one loopback port."""

from __future__ import annotations

import hmac
import json
import logging
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from workbench.errors import (
    AuthenticationFailed,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    WorkbenchError,
)
from workbench.wire.envelope import error_body

MAX_BODY_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into OpenAI's envelope."""
    try:
        return await handler(request)
    except WorkbenchError as error:
        found = error
    except web.HTTPNotFound:
        found = NotFound(f"There is no {request.path} here.")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        found = MethodNotAllowed(f"{request.path} does not take {request.method}.", hint=f"It takes {allowed}.")
    except web.HTTPRequestEntityTooLarge:
        found = PayloadTooLarge(f"The request body is over {MAX_BODY_BYTES} bytes.")
    except Exception as error:
        if isinstance(error, web.HTTPException | ConnectionError):
            raise
        _log.exception("%s %s failed", request.method, request.path)
        found = WorkbenchError(f"The local model server failed: {type(error).__name__}: {error}")
    return web.json_response(error_body(found), status=found.status)


def bearer(token: str, *, open_paths: frozenset[str] = frozenset()) -> Middleware:
    """Return a middleware that lets in only who has the token."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in open_paths:
            given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "replace")
            if not given:
                raise AuthenticationFailed("The request carries no token.", code="missing_key")
            if not hmac.compare_digest(given, expected):
                raise AuthenticationFailed("The token is not the one that this process was started with.")
        return await handler(request)

    return check


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request carries; raises InvalidInput for anything else."""
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise InvalidInput(f"The request body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidInput("The request body must be a JSON object.")
    return body


@dataclass(frozen=True)
class Listening:
    """An application that is being served."""

    url: str
    """Its root URL."""
    runner: web.AppRunner
    """What serves it."""

    async def close(self) -> None:
        """Stop serving, and clean up."""
        await self.runner.cleanup()


async def listen(app: web.Application) -> Listening:
    """Serve an application on a free loopback port."""
    # A handler is cancelled when its client leaves: that is what stops a generation that nobody waits for.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return Listening(f"http://{host}:{port}", runner)
