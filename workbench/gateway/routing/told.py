"""What a provider tells of its own limits in an answer's headers, in OpenAI's words or in Anthropic's."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

_LASTS_SECONDS = 60.0
"""How long it is believed where no reset is told: the window that most limits are counted in."""
_LENGTH = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


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
    # What runs out first counts, so its reset does.
    scarce = "requests" if tokens is None or (requests is not None and requests < 1) else "tokens"
    reset = headers.get(f"x-ratelimit-reset-{scarce}") or headers.get(f"anthropic-ratelimit-{scarce}-reset")
    return Told(tokens, requests, now + _seconds(reset))


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _seconds(reset: str | None) -> float:
    """Return how long until a limit is whole again: `6m0s`, `1.5s` or `12ms`, or a time of day."""
    if not reset:
        return _LASTS_SECONDS
    if (found := _LENGTH.fullmatch(reset)) is not None:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        length = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    else:
        try:
            length = datetime.fromisoformat(reset).timestamp() - time.time()
        except ValueError:
            return _LASTS_SECONDS
    return min(max(length, 0.0), _LASTS_SECONDS)
