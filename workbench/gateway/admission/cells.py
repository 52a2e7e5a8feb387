"""Where the numbers of one subject stand: whole numbers in one row, so that worker processes can share them as memory.

Times are nanoseconds of the monotonic clock, money is picodollars: nothing is rounded, and what is taken comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

WORKERS = 32
"""Most processes that may share one row."""
BUCKETS = 61
"""Seconds of a sliding minute, and the one that begins."""
WINDOW = 2 + 2 * BUCKETS
"""Cells of a sliding minute."""

SPENT, DAY, SPENT_DAY, MONTH, SPENT_MONTH, STOPPED, HELD, CALLS, TOKENS = range(9)
"""Spent in all; a day, spent in it; a month, spent in it; a stop; on their way: money, calls and tokens."""
REQUESTS_DAY, TOKENS_DAY, ARRIVAL, SHADOW, SHADOW_DAY, WARNED_DAY, WARNED_MONTH, WARNED = range(9, 17)
"""Calls and tokens of the day; the bucket's time; would-be refusals and the day they were told; warnings by period."""
DEPOSITED = 17
"""Money that is held for batches which have not ended, as it was seen last; whether more may be held, leases tell."""
SHARES = 18
"""From here: how much of the money held, the calls and the tokens on their way is each worker's own."""
SHARE = 3
REQUEST_WINDOW = SHARES + SHARE * WORKERS
TOKEN_WINDOW = REQUEST_WINDOW + WINDOW
ROW = TOKEN_WINDOW + WINDOW
"""Cells of one subject."""


class Cells(Protocol):
    """One subject's row."""

    def __getitem__(self, place: int, /) -> int: ...
    def __setitem__(self, place: int, value: int, /) -> None: ...


class Counters(Protocol):
    """Where rows are kept."""

    @property
    def worker(self) -> int:
        """Which share is this process's own."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held while numbers are read and changed, of however many rows; never across an await."""

    def row(self, name: str) -> tuple[Cells, bool]:
        """Return a row, and whether it is new and all 0. The lock is held."""

    def forget(self, name: str) -> None:
        """Give a row back. The lock is held."""


class OwnLock:
    """The lock of one process: the event loop does one thing at a time, so it only sees to it that all is counted."""

    __slots__ = ("first",)

    def __init__(self) -> None:
        self.first: Callable[[], None] | None = None
        """Counts what is not counted yet; it comes before whoever takes the lock."""

    def __enter__(self) -> None:
        if self.first is not None:
            self.first()

    def __exit__(self, *_: object) -> None:
        return None


class OwnCounters:
    """Rows of a gateway that is one process."""

    def __init__(self) -> None:
        self.worker = 0
        self.lock = OwnLock()
        self._rows: dict[str, list[int]] = {}

    def row(self, name: str) -> tuple[Cells, bool]:
        """Return a row, and whether it is new."""
        known = self._rows.get(name)
        if known is not None:
            return known, False
        row = self._rows[name] = [0] * ROW
        return row, True

    def forget(self, name: str) -> None:
        """Let a row go."""
        self._rows.pop(name, None)
