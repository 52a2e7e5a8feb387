"""Counters that several workers of one gateway share: a file that all of them map, changed under one lock.

So N workers never multiply a limit or a budget. A row stays where it is for the life of the file, which is that of the
gateway. What a worker holds stands in a share of its own: when it dies, its parent settles that as spent.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

if sys.platform != "win32":
    import fcntl

from workbench.errors import Unavailable
from workbench.gateway.access.limits import NO_BUDGET
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.calendar import turn
from workbench.gateway.admission.cells import Cells
from workbench.gateway.admission.purse import Purse

_SLOTS = 16_384
"""Subjects of a file. Their names, as numbers, stand in front, then their rows."""
_BYTES = 8 * _SLOTS * (1 + c.ROW)


def limits_file(home: Path, port: int) -> Path:
    """Return where the workers of the gateway at a port count together."""
    return home / "run" / f"limits-{port}"


class SharedCounters:
    """The rows in one file, as one process sees them."""

    def __init__(self, path: Path, *, worker: int) -> None:
        self.worker = worker
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._map = mmap.mmap(self._file, _BYTES)
        self._cells = memoryview(self._map).cast("q")
        self.lock: AbstractContextManager[object] = _FileLock(self._file)

    @staticmethod
    def create(path: Path) -> None:
        """Make the file anew, all of it 0; what an earlier gateway left there is gone."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.truncate(handle, _BYTES)  # without blocks on the disk until they are used
        finally:
            os.close(handle)

    def row(self, name: str) -> tuple[Cells, bool]:
        """Return a row, and whether it is new; raises Unavailable where there is no room for one more."""
        number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True) or 1
        for step in range(_SLOTS):
            slot = (number + step) % _SLOTS
            found = self._cells[slot]
            if found == 0:
                self._cells[slot] = number
            if found in (0, number):
                return self._row(slot), found == 0
        raise Unavailable(
            f"More than {_SLOTS} subjects with limits were used since the gateway started.",
            hint="The admin must restart it.",
        )

    def forget(self, name: str) -> None:
        """Do nothing: another worker may still count there."""

    def settle_dead(self, worker: int) -> int:
        """Settle what a worker held that is gone; return how many of its calls were on their way."""
        share, calls = c.SHARES + c.SHARE * worker, 0
        with self.lock:
            for slot in range(_SLOTS):
                if self._cells[slot]:
                    calls += _settle(self._row(slot), share)
        return calls

    def _row(self, slot: int) -> memoryview[int]:
        start = _SLOTS + slot * c.ROW
        return self._cells[start : start + c.ROW]

    def close(self) -> None:
        """Let go of the file; rows that were given out are good no more."""
        os.close(self._file)


def _settle(row: Cells, share: int) -> int:
    held, calls, tokens = row[share], row[share + 1], row[share + 2]
    purse = Purse(row, NO_BUDGET)
    turn(row, time.time())
    purse.hold(-held, share)
    purse.spend(held)
    row[c.CALLS] -= calls
    row[c.TOKENS] -= tokens
    row[c.TOKENS_DAY] += tokens
    row[share + 1] = row[share + 2] = 0
    return calls


class _FileLock:
    """A lock between processes; the system takes it back from one that dies."""

    __slots__ = ("_file",)

    def __init__(self, file: int) -> None:
        self._file = file

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
