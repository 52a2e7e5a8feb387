"""How many retries there may be, so that they never multiply an outage: a share of the calls, and a few a second.

After Finagle's and Envoy's retry budgets: calls pay in, retries draw out.
"""

from __future__ import annotations

_MOST_SECONDS = 10.0
"""How many seconds' worth may be saved up."""

_ROUNDING = 1e-9


class RetryBudget:
    """A bucket that each call fills by a share of one retry, and time by a few a second."""

    __slots__ = ("_filled_at", "_level", "_most", "_per_second", "_share")

    def __init__(self, *, share: float, per_second: float, now: float) -> None:
        self._share = share
        self._per_second = per_second
        self._most = max(1.0, per_second * _MOST_SECONDS, share * 100)
        self._level = max(1.0, per_second)
        self._filled_at = now

    def earn(self) -> None:
        """Note a call."""
        if self._level < self._most:
            self._level += self._share

    def spend(self, now: float) -> bool:
        """Take one retry; False if there is none left."""
        self._level = min(self._most, self._level + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._level < 1.0 - _ROUNDING:
            return False
        self._level -= 1.0
        return True
