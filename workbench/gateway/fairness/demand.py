"""How much is asked for: tokens a minute, by what came in the last seconds."""

from __future__ import annotations

from math import exp

_SECONDS = 5.0
"""Time constant of the average: most of it is of the last ten seconds."""

_STEP = 0.005
"""Seconds that make no difference: an exponential for each call would cost more than all else here."""


class Demand:
    """An average that fades, so that it follows a change within seconds."""

    __slots__ = ("_at", "_rate")

    def __init__(self) -> None:
        self._rate = 0.0
        self._at = 0.0

    def add(self, tokens: int, now: float) -> None:
        """Count what comes now."""
        if now > self._at + _STEP:
            self._rate, self._at = self._faded(now), now
        self._rate += tokens / _SECONDS

    def a_minute(self, now: float) -> float:
        """Return the tokens a minute that it comes to."""
        return self._faded(now) * 60

    def _faded(self, now: float) -> float:
        return self._rate * exp(-max(0.0, now - self._at) / _SECONDS) if self._rate else 0.0
