"""What all of Anthropic's paths share: the key, the error shape, the rate-limit headers."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.quota import Left
from workbench.simulator.reply import Refused, Whole
from workbench.wire.sse import frame

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def admit(exchange: Exchange) -> None:
    """Take the key in `x-api-key`, or as a bearer."""
    if not exchange.state.takes(exchange.headers.get("x-api-key") or exchange.bearer):
        raise Refused(401, "invalid x-api-key")


def error_body(refused: Refused) -> dict[str, Any]:
    """Return the body of an error."""
    status = refused.status
    kind = refused.code or _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": "upstream-simulated"}


def error(_exchange: Exchange, refused: Refused) -> Whole:
    """Return an error."""
    return Whole(status=refused.status, body=error_body(refused))


def error_frame(_exchange: Exchange, refused: Refused) -> bytes:
    """Return the event by which a stream tells of a failure: Anthropic says that it is overloaded."""
    told = Refused(529 if refused.status == 500 else refused.status, refused.message, code=refused.code)
    return frame(msgspec.json.encode(error_body(told)), name="error")


def corrupt_frame(_exchange: Exchange) -> bytes:
    """Return an event whose data is no JSON."""
    return b'event: content_block_delta\ndata: {"type": "content_blo\n\n'


def limits(left: Left) -> dict[str, str]:
    """Return the `anthropic-ratelimit-*` headers."""
    told: dict[str, str] = {}
    for name, most, rest in left.counts():
        told[f"anthropic-ratelimit-{name}-limit"] = str(most)
        told[f"anthropic-ratelimit-{name}-remaining"] = str(rest)
    return told


ANTHROPIC = Family(
    name="anthropic",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="request-id",
    limits=limits,
)
