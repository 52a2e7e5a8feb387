"""A circuit breaker: after failures in a row, or too large a share of them, a deployment is passed over for a while.

It opens, cools, and is tried by one real call at a time (half open); no probe is ever sent. It never forbids a call:
whoever routes decides what to do when everything is open.
"""

from __future__ import annotations

from typing import Literal

from workbench.settings import RoutingSettings

Condition = Literal["closed", "open", "half_open"]

_SLICE_SECONDS = 15.0
"""The share of failures is taken over this slice of time and the one before it."""
_FEWEST_CALLS = 10
"""With fewer calls in the two slices a share says nothing."""


class Breaker:
    """The breaker of one deployment; times are seconds of the monotonic clock."""

    __slots__ = ("_before", "_policy", "_row", "_slice", "_slice_began", "_times", "_trial", "condition", "until")

    def __init__(self, policy: RoutingSettings) -> None:
        self.condition: Condition = "closed"
        self.until = 0.0
        """When an open one may be tried again."""
        self._policy = policy
        self._row = 0
        self._times = 0
        self._trial: object | None = None
        self._slice_began = 0.0
        self._slice = [0, 0]
        self._before = [0, 0]

    def lets(self, now: float) -> bool:
        """Tell whether a call may go here while another place could take it."""
        if self.condition == "closed":
            return True
        return self._trial is None and now >= self.until

    def begin(self, call: object, now: float) -> None:
        """Note that a call goes here; with an open breaker that has cooled it is the trial."""
        if self.condition != "closed" and self._trial is None and now >= self.until:
            self.condition = "half_open"
            self._trial = call

    def succeeded(self, now: float) -> None:
        """Note an answer: whatever was wrong is over."""
        self._count(0, now)
        self._row = 0
        if self.condition != "closed":
            self.condition = "closed"
            self._times = 0
            self._trial = None
            self._slice, self._before = [0, 0], [0, 0]

    def failed(self, call: object, now: float) -> None:
        """Note a failure."""
        self._count(1, now)
        self._row += 1
        if self.condition == "closed":
            if self._row >= self._policy.failures or self._share() >= self._policy.failure_share:
                self._open(now)
        elif self._trial is call:
            self._open(now)
        elif self.condition == "open":  # a last resort that failed too; it cools on, no longer than it would have
            self.until = max(self.until, now + self._policy.cool_seconds)

    def ended(self, call: object) -> None:
        """Note that a call is over; a trial that told nothing makes room for the next."""
        if self._trial is call:
            self._trial = None

    def _open(self, now: float) -> None:
        seconds = min(self._policy.cool_seconds * 2**self._times, self._policy.longest_cool_seconds)
        self._times = min(self._times + 1, 16)
        self.condition, self.until, self._trial = "open", now + seconds, None

    def _count(self, failures: int, now: float) -> None:
        if now - self._slice_began >= _SLICE_SECONDS:
            late = now - self._slice_began >= 2 * _SLICE_SECONDS
            self._before = [0, 0] if late else self._slice
            self._slice, self._slice_began = [0, 0], now
        self._slice[0] += 1
        self._slice[1] += failures

    def _share(self) -> float:
        calls = self._slice[0] + self._before[0]
        return (self._slice[1] + self._before[1]) / calls if calls >= _FEWEST_CALLS else 0.0
