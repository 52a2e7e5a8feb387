"""Which key file a reference is for.

The server writes one beside each key file; it counts for as long as it stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.client.keys import FileKey
from workbench_jupyter.relay.reference import PATTERN, SUFFIX


@dataclass(frozen=True)
class _Kept:
    reference: bytes
    file: Path
    seen: tuple[int, int]
    key: FileKey


class References:
    """The references of one folder of key files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[bytes, _Kept] = {}

    def find(self, reference: bytes) -> FileKey | None:
        """Return the key that a reference leads to now, None where it leads to none."""
        kept = self._kept.get(reference)
        if kept is None or _mark(kept.file) != kept.seen:
            self._look()
            kept = self._kept.get(reference)
        return kept.key if kept else None

    def _look(self) -> None:
        known = {kept.file: kept for kept in self._kept.values()}
        found = []
        for file in self._folder.glob(f"*{SUFFIX}"):
            # The mark is taken before the reading: a file that is replaced between them is read once more.
            if (seen := _mark(file)) is None:
                continue
            kept = known.get(file)
            if kept is not None and kept.seen == seen:
                found.append(kept)
            elif (reference := _read(file)) is not None:
                found.append(_Kept(reference, file, seen, FileKey(file.with_name(file.name.removesuffix(SUFFIX)))))
        self._kept = {kept.reference: kept for kept in found}


def _mark(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def _read(file: Path) -> bytes | None:
    try:
        text = file.read_bytes().strip()
    except OSError:
        return None
    return text if PATTERN.fullmatch(text) else None
