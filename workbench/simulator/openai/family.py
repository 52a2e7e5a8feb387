"""What all of OpenAI's paths share: the key as a bearer, the error envelope, the rate-limit headers."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.quota import Left
from workbench.simulator.reply import Refused, Whole
from workbench.wire.sse import frame

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def admit(exchange: Exchange) -> None:
    """Take the key as a bearer; a browser's WebSocket carries it as a subprotocol."""
    key = exchange.bearer
    if exchange.method == "WEBSOCKET" and key is None:
        offered = exchange.headers.get("sec-websocket-protocol", "").replace(" ", "").split(",")
        found = (name for name in offered if name.startswith("openai-insecure-api-key."))
        key = next(found, "").removeprefix("openai-insecure-api-key.")
    if not exchange.state.takes(key):
        raise Refused(401, "Incorrect API key provided.")


def error(_exchange: Exchange, refused: Refused) -> Whole:
    """Return the error envelope."""
    return Whole(status=refused.status, body={"error": fields(refused)})


def fields(refused: Refused) -> dict[str, Any]:
    """Return what stands in an error envelope."""
    status = refused.status
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {"message": refused.message, "type": kind, "param": None, "code": refused.code or _CODES.get(status)}


def error_frame(exchange: Exchange, refused: Refused) -> bytes:
    """Return the event by which a stream of this path tells of a failure."""
    if exchange.method == "WEBSOCKET":
        return msgspec.json.encode({"type": "error", "event_id": "event_error", "error": fields(refused)})
    if exchange.path.endswith("/responses"):
        told = fields(refused)
        event = {"type": "error", "code": told["code"] or "server_error", "message": refused.message, "param": None}
        return frame(msgspec.json.encode({**event, "sequence_number": 99}), name="error")
    return frame(msgspec.json.encode({"error": fields(refused)}))


def corrupt_frame(_exchange: Exchange) -> bytes:
    """Return an event whose data is no JSON."""
    return b'data: {"id": "chatcmpl-simulated", "choi\n\n'


def limits(left: Left) -> dict[str, str]:
    """Return the `x-ratelimit-*` headers."""
    told: dict[str, str] = {}
    for name, most, rest in left.counts():
        told[f"x-ratelimit-limit-{name}"] = str(most)
        told[f"x-ratelimit-remaining-{name}"] = str(rest)
        told[f"x-ratelimit-reset-{name}"] = f"{left.seconds:.3f}s"
    return told


OPENAI = Family(
    name="openai",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="x-request-id",
    limits=limits,
)
