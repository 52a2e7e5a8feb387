"""A lease says that this process uses the embedded gateway of a home; the last one to end it ends the gateway.

It is an OS lock on `leases/<id>.lock` below the home, so a killed process gives it up as well. The file stays where it
is: the gateway finds that nobody holds it, revokes the keys that were issued with the lease, and removes it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from workbench.wire.embedded import LEASES


class Lease:
    """Hold a lease from construction, or from `with`, until `release`."""

    def __init__(self, home: Path) -> None:
        folder = home / LEASES
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = secrets.token_hex(8)
        """What a key is issued with, so that it is revoked when this lease ends."""
        self._path = folder / f"{self.id}.lock"
        # Any thread may release it, not only the one that took it.
        self._lock = FileLock(self._path, thread_local=False)
        while True:
            self._lock.acquire()
            if self._path.exists():
                break
            # The gateway found the file between its making and its locking, and removed it.
            self._lock.release()
        self._path.write_text(json.dumps({"pid": os.getpid()}), "utf-8")

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return bool(self._lock.is_locked)

    def release(self) -> None:
        """Give it up; twice is fine."""
        self._lock.release()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"Lease({self.id!r}, {'held' if self.held else 'released'})"


@dataclass(frozen=True)
class HeldLease:
    """A lease that some process holds."""

    id: str
    """Its name; keys carry it."""
    pid: int | None
    """The process that holds it; None if it does not tell."""


def held_leases(home: Path) -> list[HeldLease]:
    """Return the leases that living processes hold; nothing is changed."""
    return [_described(path) for path in sorted((home / LEASES).glob("*.lock")) if is_held(path)]


def _described(path: Path) -> HeldLease:
    try:
        fields = json.loads(path.read_text("utf-8"))
        return HeldLease(id=path.stem, pid=int(fields["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return HeldLease(id=path.stem, pid=None)


def is_held(path: Path) -> bool:
    """Return whether some process holds this lease file."""
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
