"""A call on its way to an engine and back: bytes pass untouched, errors come out in our own words."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from aiohttp import hdrs, web

from workbench.errors import InvalidInput, Unavailable, WorkbenchError
from workbench.local.engines import Engine
from workbench.wire.envelope import error_from_body


def client() -> aiohttp.ClientSession:
    """Return the session that engines are asked with."""
    return aiohttp.ClientSession(
        # llama.cpp drops connections that were idle for some seconds, which would race with their next use.
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, connect=10),
        trust_env=False,
    )


async def relay(
    request: web.Request, body: bytes, *, engine: Engine, session: aiohttp.ClientSession
) -> web.StreamResponse:
    """Send the body of `request` to the same path of an engine, and its answer back.

    Raises what the engine refused, or Unavailable if it ended. Cancelled, as when the client leaves, it hangs up, and
    the engine stops generating.
    """
    headers = {hdrs.AUTHORIZATION: f"Bearer {engine.token}", hdrs.CONTENT_TYPE: "application/json"}
    response: web.StreamResponse | None = None
    try:
        async with session.post(engine.url + request.path, data=body, headers=headers) as upstream:
            if upstream.status != 200:
                raise _refusal(engine, upstream.status, await upstream.read())
            if upstream.content_type != "text/event-stream":
                return web.Response(body=await upstream.read(), content_type=upstream.content_type)
            response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", "cache-control": "no-cache"})
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
    except aiohttp.ClientError as error:
        if response is not None:
            # The stream has begun: cut it, so that nobody takes what came for the whole answer.
            if request.transport is not None:
                request.transport.abort()
            return response
        raise Unavailable(
            f"The engine of {engine.model.name} ended in the middle of the call.",
            hint="It is started again with the next call.",
            code="engine_ended",
        ) from error


def _refusal(engine: Engine, status: int, body: bytes) -> WorkbenchError:
    """Return what an engine's error means: our own envelope, or llama.cpp's, whose `code` is a number."""
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = body.decode("utf-8", "replace")
    fields = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(fields, dict) and fields.get("type") == "exceed_context_size_error":
        return InvalidInput(
            f"The messages have {fields.get('n_prompt_tokens')} tokens; this model has a context of "
            f"{fields.get('n_ctx')}, the answer included.",
            code="context_length_exceeded",
            param="messages",
        )
    if status < 500 or (isinstance(fields, dict) and isinstance(fields.get("code"), str)):
        return error_from_body(status, answer)
    reason = fields.get("message") if isinstance(fields, dict) else answer
    return WorkbenchError(f"The engine of {engine.model.name} failed: {reason}")
