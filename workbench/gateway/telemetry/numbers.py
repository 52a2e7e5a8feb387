"""Numbers that go up, by name, in memory that other processes can map: so one scrape tells those of all workers.

Each worker has a file of its own and writes alone, without a lock. One that is started again goes on where the one
before it ended, by SIGKILL too: nothing that was counted is lost, and no counter ever falls.
"""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

Name = tuple[str, ...]
"""What is counted, then the labels."""

CELLS = 48
"""Whole numbers of one name."""
_NAME_BYTES = 1024 - 8 * (CELLS + 1)
_ROW = 1024 // 8
_ROWS = 4096
_FAMILIES = 16
"""Rows that are kept for what has no room of its own: one for each first word of a name."""
OTHER = "other"
"""Label of what has no room of its own."""


class Numbers:
    """The numbers of one process."""

    def __init__(self, path: Path | None = None) -> None:
        """Count in a file that is made or gone on with, or, without one, in this process alone."""
        if path is None:
            self._map = mmap.mmap(-1, _ROWS * 1024)
        else:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.truncate(handle, _ROWS * 1024)  # without blocks on the disk until they are used
                self._map = mmap.mmap(handle, _ROWS * 1024)
            finally:
                os.close(handle)
        self._cells = memoryview(self._map).cast("q")
        self._places = {name: place for place, name in enumerate(_names(self._map))}

    def of(self, name: Name) -> memoryview[int]:
        """Return the cells of a name; where there is no room for one more, those of all others of its kind."""
        place = self._places.get(name)
        if place is None:
            place = self._take(name)
        return self._cells[place * _ROW + _ROW - CELLS : (place + 1) * _ROW]

    def _take(self, name: Name) -> int:
        written = json.dumps(name, ensure_ascii=False).encode()
        place = len(self._places)
        room = _ROWS if all(label == OTHER for label in name[1:]) else _ROWS - _FAMILIES
        if place >= room or len(written) > _NAME_BYTES:
            other = (name[0], *(OTHER for _ in name[1:]))
            known = self._places.get(other)
            return self._take(other) if known is None else known
        start = place * 1024 + 8
        self._map[start : start + len(written)] = written
        self._cells[place * _ROW] = len(written)  # last: who reads meanwhile sees the name whole, or not at all
        self._places[name] = place
        return place

    def all(self) -> dict[Name, list[int]]:
        """Return all numbers by name."""
        return _all(self._map)


def read(path: Path) -> dict[Name, list[int]]:
    """Return the numbers that another process counts in a file; none where there is no such file any more."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    try:
        if os.fstat(handle).st_size < _ROWS * 1024:  # it is being made
            return {}
        with mmap.mmap(handle, _ROWS * 1024, access=mmap.ACCESS_READ) as mapped:
            return _all(mapped)
    finally:
        os.close(handle)


def _all(mapped: mmap.mmap) -> dict[Name, list[int]]:
    found: dict[Name, list[int]] = {}
    with memoryview(mapped) as raw, raw.cast("q") as cells:
        for place, name in enumerate(_names(mapped)):
            with cells[place * _ROW + _ROW - CELLS : (place + 1) * _ROW] as row:
                found[name] = row.tolist()
    return found


def _names(mapped: mmap.mmap) -> list[Name]:
    names: list[Name] = []
    for place in range(_ROWS):
        start = place * 1024
        length = int.from_bytes(mapped[start : start + 8], "little")
        if not length:
            break
        names.append(tuple(json.loads(mapped[start + 8 : start + 8 + length])))
    return names
