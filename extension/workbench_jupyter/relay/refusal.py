"""What the relay answers by itself: one body in which each provider's SDK finds its own fields."""

from __future__ import annotations

import json
from http import HTTPStatus

from workbench.errors import WorkbenchError
from workbench.wire.envelope import error_body

_GOOGLE = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 503: "UNAVAILABLE"}
_AWS = {400: "ValidationException", 401: "UnrecognizedClientException", 503: "ServiceUnavailableException"}


def answer(error: WorkbenchError) -> bytes:
    """Return a whole answer, after which the connection ends."""
    status = error.status
    told = error_body(error)
    told["error"]["status"] = _GOOGLE.get(status, "UNKNOWN")
    # Anthropic's SDK looks for `type`, botocore for `message` and a header.
    raw = json.dumps({"type": "error", "message": str(error), **told}).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(raw)}",
        "connection: close",
        "x-should-retry: false",  # the SDKs of OpenAI and Anthropic then tell it at once: we have tried already
        f"x-amzn-errortype: {_AWS.get(status, 'InternalServerException')}",
    ]
    return "\r\n".join((*lines, "", "")).encode() + raw
