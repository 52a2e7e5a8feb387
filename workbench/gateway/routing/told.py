"""What a provider tells of its own limits in an answer's headers, in OpenAI's or in Anthropic's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LASTS_SECONDS = 60.0
"""How long it is believed: the longest window that these headers speak of."""


@dataclass(slots=True)
class Told:
    """What is left, as the provider counts; calls that were sent since then are taken off."""

    tokens: float | None
    """Tokens that may still be used now."""
    requests: float | None
    """Requests that may still be sent now."""
    until: float
    """Second of the monotonic clock from which on it says nothing any more."""


def told_by(headers: Mapping[str, str], now: float) -> Told | None:
    """Return what an answer's headers tell, None if they tell nothing."""
    tokens = _number(headers.get("x-ratelimit-remaining-tokens") or headers.get("anthropic-ratelimit-tokens-remaining"))
    requests = _number(
        headers.get("x-ratelimit-remaining-requests") or headers.get("anthropic-ratelimit-requests-remaining")
    )
    if tokens is None and requests is None:
        return None
    return Told(tokens, requests, now + LASTS_SECONDS)


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
