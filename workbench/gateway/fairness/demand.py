"""How much is asked for: tokens a minute, by what came in the last seconds."""

from __future__ import annotations

from math import exp

_SECONDS = 5.0
"""Time constant of the average: most of it is of the last ten seconds."""


class Demand:
    """An average that fades, so that it follows a change within seconds."""

    __slots__ = ("_at", "_rate")

    def __init__(self) -> None:
        self._rate = 0.0
        self._at = 0.0

    def add(self, tokens: int, now: float) -> None:
        """Count what comes now."""
        self._rate = self._faded(now) + tokens / _SECONDS
        self._at = max(self._at, now)

    def a_minute(self, now: float) -> float:
        """Return the tokens a minute that it comes to."""
        return self._faded(now) * 60

    def _faded(self, now: float) -> float:
        return self._rate * exp(-max(0.0, now - self._at) / _SECONDS) if self._rate else 0.0
