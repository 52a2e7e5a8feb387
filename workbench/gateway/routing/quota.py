"""Tokens of a deployment's quota: used in the last minute, and expected by the calls under way.

A gateway that is one process counts by itself; several workers count in the rows that they share, so that a quota is
one quota and reserved capacity is filled by all of them together.
"""

from __future__ import annotations

from typing import Protocol

from workbench.gateway.admission import cells as c
from workbench.gateway.admission.cells import Counters
from workbench.gateway.admission.window import SECOND, Window
from workbench.gateway.routing.window import MinuteWindow


class Quota(Protocol):
    """What is counted of one deployment; times are seconds of the monotonic clock."""

    def pending(self) -> int:
        """Return the tokens that calls under way are expected to use."""

    def used(self, now: float) -> int:
        """Return the tokens of the last minute."""

    def hold(self, tokens: int) -> None:
        """Expect tokens."""

    def let_go(self, held: int, used: int, now: float) -> None:
        """Expect them no more, and count what was used."""


class OwnQuota:
    """The count of a gateway that is one process."""

    __slots__ = ("_pending", "_window")

    def __init__(self) -> None:
        self._window = MinuteWindow()
        self._pending = 0

    def pending(self) -> int:
        """Return the tokens that calls under way are expected to use."""
        return self._pending

    def used(self, now: float) -> int:
        """Return the tokens of the last minute."""
        return self._window.total(now)

    def hold(self, tokens: int) -> None:
        """Expect tokens."""
        self._pending += tokens

    def let_go(self, held: int, used: int, now: float) -> None:
        """Expect them no more, and count what was used."""
        self._pending -= held
        if used:
            self._window.add(used, now)


class SharedQuota:
    """The count of several workers; what a dead one expected is settled by their parent, as of keys."""

    __slots__ = ("_cells", "_lock", "_share", "_window")

    def __init__(self, deployment_id: str, counters: Counters) -> None:
        self._lock = counters.lock
        self._share = c.SHARES + c.SHARE * counters.worker + 2
        with self._lock:
            self._cells, _ = counters.row(f"deployment {deployment_id}")
        self._window = Window(self._cells, c.TOKEN_WINDOW)

    def pending(self) -> int:
        """Return the tokens that calls under way at all workers are expected to use."""
        return self._cells[c.TOKENS]

    def used(self, now: float) -> int:
        """Return the tokens that all workers used in the last minute."""
        with self._lock:
            return self._window.used(int(now * SECOND))

    def hold(self, tokens: int) -> None:
        """Expect tokens."""
        with self._lock:
            self._cells[c.TOKENS] += tokens
            self._cells[self._share] += tokens

    def let_go(self, held: int, used: int, now: float) -> None:
        """Expect them no more, and count what was used."""
        at = int(now * SECOND)
        with self._lock:
            self._cells[c.TOKENS] -= held
            self._cells[self._share] -= held
            if used:
                self._window.used(at)
                self._window.add(at, used)
