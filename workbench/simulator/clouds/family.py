"""What token servers share: anybody may ask, each looks at what it is given; errors as OAuth 2 tells them."""

from __future__ import annotations

from urllib.parse import parse_qsl

from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.reply import Refused, Whole


def admit(_exchange: Exchange) -> None:
    """Let everybody ask."""


def error(_exchange: Exchange, refused: Refused) -> Whole:
    """Return an OAuth 2 error."""
    code = refused.code or ("invalid_request" if refused.status < 500 else "temporarily_unavailable")
    return Whole(status=refused.status, body={"error": code, "error_description": refused.message})


def no_frame(_exchange: Exchange, *_refused: Refused) -> bytes:
    """Return nothing: token servers do not stream."""
    return b""


def form_of(exchange: Exchange) -> dict[str, str]:
    """Return the fields of a URL-encoded body."""
    return dict(parse_qsl(exchange.raw.decode("utf-8", "replace"), keep_blank_values=True))


TOKENS = Family(
    name="tokens",
    admit=admit,
    error=error,
    error_frame=no_frame,
    corrupt_frame=no_frame,
    request_id="x-request-id",
)
