"""What an answer tells of rate limits: its `x-ratelimit-*` headers, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit, as an answer told of it."""

    limit: int
    """How much it allows."""
    remaining: int
    """How much of it was left."""
    reset: float
    """Seconds until all of it is there again."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits that a call was held to; None: to none of that kind."""

    requests: Allowance | None = None
    """Of calls."""
    tokens: Allowance | None = None
    """Of tokens."""


def read_limits(head: Mapping[str, str]) -> RateLimits | None:
    """Read the limits that headers tell of; None where they tell of none, or in a way that can't be read."""
    requests, tokens = _allowance(head, "requests"), _allowance(head, "tokens")
    return None if requests is None and tokens is None else RateLimits(requests, tokens)


def _allowance(head: Mapping[str, str], kind: Literal["requests", "tokens"]) -> Allowance | None:
    limit = head.get(f"x-ratelimit-limit-{kind}")
    if limit is None:
        return None
    try:
        return Allowance(
            limit=int(limit),
            remaining=int(head[f"x-ratelimit-remaining-{kind}"]),
            reset=_duration(head[f"x-ratelimit-reset-{kind}"]),
        )
    except (KeyError, ValueError):
        return None


def _duration(text: str) -> float:
    """Read `1m30s`, `20ms` or a plain number of seconds."""
    parts = _PART.findall(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else float(text)
