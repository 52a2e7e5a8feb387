"""What Vertex's paths share: a bearer that Google's token server gave out; errors as Google or Claude tells them."""

from __future__ import annotations

from workbench.simulator.anthropic import family as anthropic
from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini import family as google
from workbench.simulator.protocol import Family
from workbench.simulator.reply import Refused, Whole


def admit(exchange: Exchange) -> None:
    """Take a token that the simulator's own token server gave out, until it expires."""
    token = exchange.state.issued.find("google", exchange.bearer)
    if token is None or token.expired:
        why = "no token of this server" if token is None else "an expired token"
        raise Refused(401, f"Request had invalid authentication credentials: {why}. Expected OAuth 2 access token.")


def error(exchange: Exchange, refused: Refused) -> Whole:
    """Return an error: what Claude itself refuses is told in Anthropic's words, all else in Google's."""
    of_claude = "/publishers/anthropic/" in exchange.path and refused.status not in (401, 403, 404, 405)
    return anthropic.error(exchange, refused) if of_claude else google.error(exchange, refused)


def error_frame(exchange: Exchange, refused: Refused) -> bytes:
    """Return what a stream tells of a failure: Claude's streams in Anthropic's words."""
    if "/publishers/anthropic/" in exchange.path:
        return anthropic.error_frame(exchange, refused)
    return google.error_frame(exchange, refused)


def corrupt_frame(exchange: Exchange) -> bytes:
    """Return a frame that can't be read."""
    if "/publishers/anthropic/" in exchange.path:
        return anthropic.corrupt_frame(exchange)
    return google.corrupt_frame(exchange)


VERTEX = Family(
    name="vertex",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="x-request-id",
)
