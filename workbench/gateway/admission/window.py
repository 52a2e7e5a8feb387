"""A sliding minute: how much began in the last 60 seconds, never less than it was.

Amounts are kept by the second in which they came, each second until its last one is 60 seconds old: so no 60 seconds
ever see more than the limit, and nobody waits longer than a minute.
"""

from __future__ import annotations

from workbench.gateway.admission.cells import BUCKETS, Cells

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


class Window:
    """One sliding minute in a key's row: its sum, the oldest second that counts, then (amount, last time) a second."""

    __slots__ = ("_at", "_cells", "_same_until")

    def __init__(self, cells: Cells, at: int) -> None:
        self._cells = cells
        self._at = at
        self._same_until = 0  # nothing leaves the minute before: the oldest second is over, no more is added to it

    def used(self, now: int) -> int:
        """Return the amount of the last 60 seconds, and forget what was before."""
        cells, at = self._cells, self._at
        if now < self._same_until:
            return cells[at]
        second, oldest = now // SECOND, cells[at + 1]
        if oldest == second:
            return cells[at]
        if second - oldest > 2 * BUCKETS:  # what came last came within a minute of the oldest
            self._clear(second)
            return 0
        total = cells[at]
        while oldest < second:
            place = at + 2 + 2 * (oldest % BUCKETS)
            if amount := cells[place]:
                if (until := cells[place + 1] + MINUTE) > now:
                    self._same_until = until
                    break
                total -= amount
                cells[place] = 0
            oldest += 1
        cells[at], cells[at + 1] = total, oldest
        return total

    def add(self, now: int, amount: int) -> None:
        """Count an amount; `used` was asked at the same time."""
        cells, at = self._cells, self._at
        place = at + 2 + 2 * (now // SECOND % BUCKETS)
        cells[place] += amount
        cells[place + 1] = now
        cells[at] += amount

    def correct(self, then: int, now: int, more: int) -> None:
        """Count `more` (or less) for what was added at `then`; what has left the minute since stays gone."""
        cells, at = self._cells, self._at
        self.used(now)
        if then // SECOND >= cells[at + 1]:
            cells[at + 2 + 2 * (then // SECOND % BUCKETS)] += more
            cells[at] += more
        elif more > 0:
            self.add(now, more)

    def prolong(self, then: int, last: int) -> None:
        """Let what was added at `then` count as of `last`, of the same second, so that it leaves no earlier."""
        cells, at = self._cells, self._at
        if then // SECOND >= cells[at + 1]:
            place = at + 3 + 2 * (then // SECOND % BUCKETS)
            cells[place] = max(cells[place], last)

    def wait(self, now: int, excess: int) -> int:
        """Return the nanoseconds until `excess` less is counted; a minute at most."""
        cells, at = self._cells, self._at
        for second in range(cells[at + 1], now // SECOND + 1):
            place = at + 2 + 2 * (second % BUCKETS)
            excess -= cells[place]
            if excess <= 0:
                return max(0, cells[place + 1] + MINUTE - now)
        return MINUTE

    def reset(self, now: int) -> int:
        """Return the nanoseconds until nothing is counted any more."""
        cells, at = self._cells, self._at
        for second in range(now // SECOND, cells[at + 1] - 1, -1):
            place = at + 2 + 2 * (second % BUCKETS)
            if cells[place]:
                return max(0, cells[place + 1] + MINUTE - now)
        return 0

    def _clear(self, second: int) -> None:
        cells, at = self._cells, self._at
        for place in range(at + 2, at + 2 + 2 * BUCKETS, 2):
            cells[place] = 0
        cells[at], cells[at + 1] = 0, second
