"""A file that is there whole or not at all, also after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, raw: bytes, *, draft: Path) -> None:
    """Write a file by way of `draft`, which stands beside it."""
    draft.write_bytes(raw)
    put_in_place(draft, path)


def put_in_place(draft: Path, path: Path) -> None:
    """Have a draft on the disk, then give it its name; the name is on the disk at the return."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
