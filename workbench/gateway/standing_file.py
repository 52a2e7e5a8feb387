"""A SQLite file that stands where others look for it: one that was taken away is put back from what is open of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path


class StandingFile:
    """The file behind an open connection. Each function blocks; raises OSError or sqlite3.Error."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._place = _place_of(path)

    def stands(self) -> bool:
        """Tell whether the path still leads to the file that is open."""
        return _place_of(self._path) == self._place

    def put_back(self) -> bool:
        """Write the file anew where nothing is in its place, whole or not at all; return whether that was done here."""
        if self._path.exists():
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self._path.with_name(f".{self._path.name}.{os.getpid()}.half")
        half.unlink(missing_ok=True)
        try:
            half.touch(mode=0o600)
            with closing(sqlite3.connect(half)) as copy:
                self._connection.backup(copy)
            with half.open("rb") as file:
                os.fsync(file.fileno())
            for leftover in ("-wal", "-shm"):  # they belong to the file that is gone
                self._path.with_name(self._path.name + leftover).unlink(missing_ok=True)
            try:
                os.link(half, self._path)
            except FileExistsError:  # another process was the first
                return False
            return True
        finally:
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)


def _place_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of what Path takes, on the way of every group of rows
    except OSError:
        return None
    return found.st_dev, found.st_ino
