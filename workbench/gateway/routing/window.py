"""Tokens that a deployment used in the last minute: a ring of seconds, so that a look costs next to nothing."""

from __future__ import annotations

SECONDS = 60


class MinuteWindow:
    """A sliding minute on the monotonic clock; what was used counts for at least 60 seconds and less than 61."""

    __slots__ = ("_newest", "_seconds", "_total")

    def __init__(self) -> None:
        self._seconds = [0] * (SECONDS + 1)
        self._newest = 0
        self._total = 0

    def add(self, tokens: int, now: float) -> None:
        """Count tokens as used now."""
        second = self._forget(now)
        self._seconds[second % (SECONDS + 1)] += tokens
        self._total += tokens

    def total(self, now: float) -> int:
        """Return the tokens of the last minute."""
        if self._total:
            self._forget(now)
        return self._total

    def _forget(self, now: float) -> int:
        """Drop the seconds that are over; return the second that counts now."""
        second = int(now)
        passed = second - self._newest
        if passed <= 0:
            return self._newest
        if passed > SECONDS:
            self._seconds = [0] * (SECONDS + 1)
            self._total = 0
        else:
            for old in range(self._newest + 1, second + 1):
                place = old % (SECONDS + 1)
                self._total -= self._seconds[place]
                self._seconds[place] = 0
        self._newest = second
        return second
