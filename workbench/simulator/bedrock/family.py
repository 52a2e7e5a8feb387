"""What Bedrock's paths share: the signature or an API key, AWS's errors, and event streams."""

from __future__ import annotations

import msgspec

from workbench.simulator.bedrock.signature import verify
from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.reply import Refused, Whole
from workbench.wire import event_stream

_TYPES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def admit(exchange: Exchange) -> None:
    """Take a signed request, or a Bedrock API key as a bearer."""
    if exchange.bearer is not None:
        if not exchange.state.takes(exchange.bearer):
            raise Refused(403, "Authentication failed: Please make sure your API Key is valid.")
        return
    verify(exchange, service="bedrock")


def error(_exchange: Exchange, refused: Refused) -> Whole:
    """Return an error: its kind stands in a header."""
    kind = _kind(refused)
    return Whole(status=refused.status, body={"message": refused.message}, headers={"x-amzn-errortype": kind})


def error_frame(_exchange: Exchange, refused: Refused) -> bytes:
    """Return the exception by which an event stream tells of a failure."""
    kind = _kind(refused)
    return event_stream.exception(
        kind[0].lower() + kind[1:], msgspec.json.encode({"message": refused.message})
    )  # fmt: skip


def corrupt_frame(_exchange: Exchange) -> bytes:
    """Return a message whose checksum is wrong."""
    good = event_stream.event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"x"}}')
    return good[:-1] + bytes([good[-1] ^ 1])


def _kind(refused: Refused) -> str:
    default = "InternalServerException" if refused.status >= 500 else "ValidationException"
    return refused.code or _TYPES.get(refused.status, default)


BEDROCK = Family(
    name="bedrock",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="x-amzn-requestid",
)
