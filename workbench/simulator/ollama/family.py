"""What Ollama's paths share: no key is needed, but a wrong one is refused; errors are one text."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Family
from workbench.simulator.reply import Refused, Whole


def admit(exchange: Exchange) -> None:
    """Take everybody, but no wrong key: a gateway that passes its callers' keys on is to be found out."""
    if exchange.bearer is not None and not exchange.state.takes(exchange.bearer):
        raise Refused(401, "unauthorized")


def error(_exchange: Exchange, refused: Refused) -> Whole:
    """Return an error."""
    return Whole(status=refused.status, body={"error": refused.message})


def line(value: dict[str, Any]) -> bytes:
    """Return one line of a stream."""
    return msgspec.json.encode(value) + b"\n"


def error_frame(_exchange: Exchange, refused: Refused) -> bytes:
    """Return the line by which a stream tells of a failure."""
    return line({"error": refused.message})


def corrupt_frame(_exchange: Exchange) -> bytes:
    """Return a line that is no JSON."""
    return b'{"model": "m", "mess\n'


OLLAMA = Family(
    name="ollama",
    admit=admit,
    error=error,
    error_frame=error_frame,
    corrupt_frame=corrupt_frame,
    request_id="x-request-id",
)
