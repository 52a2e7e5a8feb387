"""Calls by the second, with a burst: a token bucket in one number, the time at which it will be full again.

This is virtual scheduling, a form of the generic cell rate algorithm (ITU-T I.371): nothing is refilled or drifts.
"""

from __future__ import annotations

import math

from workbench.gateway.access.limits import Limits
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.cells import Cells
from workbench.gateway.admission.window import SECOND


class Bucket:
    """The bucket of one row; times are nanoseconds of the monotonic clock."""

    __slots__ = ("_cells", "_interval", "burst")

    def __init__(self, cells: Cells, limits: Limits) -> None:
        rate = limits.requests_per_second or 1.0
        self._cells = cells
        self._interval = round(SECOND / rate)
        self.burst = limits.burst or max(1, math.ceil(rate))
        """Calls that may begin at once."""

    def wait(self, now: int) -> int:
        """Return how long until one more call may begin; 0: now."""
        return max(0, self._cells[c.ARRIVAL] - (self.burst - 1) * self._interval - now)

    def take(self, now: int, calls: int = 1) -> None:
        """Let a call begin, or several."""
        self._cells[c.ARRIVAL] = max(self._cells[c.ARRIVAL], now) + calls * self._interval

    def correct(self, calls: int, *, begun: int, last: int) -> None:
        """Let only some of `calls` have begun that were taken before, the last of them at a time."""
        before = self._cells[c.ARRIVAL] - calls * self._interval
        self._cells[c.ARRIVAL] = (max(before, last) if begun else before) + begun * self._interval

    def left(self, now: int) -> int:
        """Return how many calls may begin at once."""
        return max(0, self.burst - -(-self.reset(now) // self._interval))

    def reset(self, now: int) -> int:
        """Return how long until it is full."""
        return max(0, self._cells[c.ARRIVAL] - now)
