"""What Google's paths share: the key in three places, the error shape, and streams as SSE or as a JSON array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.reply import JSON, SSE, Frames, Refused, Whole
from workbench.wire.sse import frame

_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def admit(exchange: Exchange) -> None:
    """Take the key in `x-goog-api-key`, in `?key=`, or a bearer: the key itself or a token of Google's server."""
    state = exchange.state
    token = state.issued.find("google", exchange.bearer)
    if token is not None and not token.expired:
        return
    if exchange.bearer is not None and not state.takes(exchange.bearer):
        raise Refused(401, "Request had invalid authentication credentials.")
    if not any(state.takes(key) for key in exchange.presented):
        raise Refused(400, "API key not valid. Please pass a valid API key.", code="INVALID_ARGUMENT")


def error_body(refused: Refused) -> dict[str, Any]:
    """Return the body of an error."""
    word = refused.code or _WORDS.get(refused.status) or ("INTERNAL" if refused.status >= 500 else "INVALID_ARGUMENT")
    told: dict[str, Any] = {"code": refused.status, "message": refused.message, "status": word}
    if refused.status == 429:
        delay = f"{refused.retry_after or 1}s"
        told["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    return {"error": told}


def error(exchange: Exchange, refused: Refused) -> Whole:
    """Return an error; in the place of an array it is an array of one."""
    body = error_body(refused)
    in_array = exchange.path.endswith(":streamGenerateContent") and is_array(exchange)
    return Whole(status=refused.status, body=[body] if in_array else body)


def is_array(exchange: Exchange) -> bool:
    """Return whether a stream is a JSON array: so it is without `alt=sse`."""
    return exchange.query.get("alt") != "sse"


def streamed(exchange: Exchange, answers: Iterator[dict[str, Any]], *, tokens: int, used: tuple[Used, ...]) -> Frames:
    """Return a stream in the shape that was asked for."""
    if not is_array(exchange):
        # Google ends the lines of its events by CR LF.
        events = (b"data: " + msgspec.json.encode(answer) + b"\r\n\r\n" for answer in answers)
        return Frames(frames=events, content_type=SSE.partition(";")[0], tokens=tokens, used=used)
    return Frames(frames=_array(answers), content_type=f"{JSON}; charset=UTF-8", tokens=tokens, used=used)


def error_frame(exchange: Exchange, refused: Refused) -> bytes:
    """Return what a stream tells of a failure; an array is closed by it."""
    body = msgspec.json.encode(error_body(refused))
    if exchange.method == "WEBSOCKET":
        return body
    if is_array(exchange):
        return b",\r\n" + body + b"]"
    return frame(body)


def corrupt_frame(exchange: Exchange) -> bytes:
    """Return an element or event that is no JSON."""
    return b',\r\n{"candidates": [{"cont]' if is_array(exchange) else b'data: {"candidates": [{"cont\r\n\r\n'


def _array(answers: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    start = b"["
    for answer in answers:
        yield start + msgspec.json.format(msgspec.json.encode(answer), indent=2)
        start = b"\n,\r\n"
    yield b"\n]\n"


GEMINI = Family(
    name="gemini",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="x-request-id",
)
