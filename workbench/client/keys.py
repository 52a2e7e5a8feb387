"""Where a client's key comes from, and where a new one comes from when the gateway refuses it.

A source is asked at every call, so a key that was replaced, or a gateway that moved, is followed without a restart.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workbench.client.key_desk import IssuedKey, KeyDesk
from workbench.errors import GatewayUnreachable, WorkbenchError
from workbench.wire.cell import CellFile
from workbench.wire.embedded import read_owner_token, read_record
from workbench.wire.key_file import read_key_file

_ISSUED_FOR = 12 * 3600  # seconds
_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Access:
    """A gateway and a key that it takes."""

    url: str
    """Root URL, without `/v1`."""
    key: str = field(repr=False)
    """The gateway key."""

    def has_key_of(self, other: Access) -> bool:
        """Return whether both have one key; in a frame of its own, so that no traceback shows what is compared."""
        return self.key == other.key


class KeySource(Protocol):
    """Gives a key; any thread may ask."""

    @property
    def url(self) -> str:
        """Where the gateway is, without asking it."""
        ...

    def current(self) -> Access:
        """Return what to use for the next call."""
        ...

    def renewed(self, refused: Access) -> Access | None:
        """Return another key than the refused one, or None where there is none."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """What a call made now is tagged with, beside what the caller says."""
        ...

    def close(self) -> None:
        """Give back what was taken."""
        ...


class FixedKey:
    """A key that was told once."""

    def __init__(self, url: str, key: str) -> None:
        self._access = Access(url.rstrip("/"), key)

    @property
    def url(self) -> str:
        """What was told."""
        return self._access.url

    def current(self) -> Access:
        """Return it."""
        return self._access

    def renewed(self, refused: Access) -> Access | None:
        """Return None: there is no other."""
        return None

    @property
    def tags(self) -> Mapping[str, str]:
        """Nothing: it is nobody's notebook that we know of."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class FileKey:
    """The mounted key file, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cell = CellFile(path)
        self._seen: tuple[int, int] | None = None
        self._access: Access | None = None

    @property
    def url(self) -> str:
        """What the file tells."""
        return self.current().url

    def current(self) -> Access:
        """Return what the file holds; a look costs microseconds while it stays the same."""
        with contextlib.suppress(OSError):
            stat = os.stat(self._path)  # noqa: PTH116 - half the cost of Path.stat, at every call
            seen = (stat.st_mtime_ns, stat.st_ino)
            if self._access is None or seen != self._seen:
                # The mark is taken before the reading: a file that is replaced between them is read once more.
                self._access, self._seen = self._read(), seen
            return self._access
        return self._read()  # tells what is wrong with the file

    def renewed(self, refused: Access) -> Access | None:
        """Read the file whatever its time says; None where it still holds the refused key."""
        self._access = self._read()
        return None if self._access.has_key_of(refused) else self._access

    @property
    def tags(self) -> Mapping[str, str]:
        """The cell that runs."""
        return self._cell.tags

    def close(self) -> None:
        """Do nothing: the key is its mounter's."""

    def _read(self) -> Access:
        mounted = read_key_file(self._path)
        return Access(mounted.gateway_url.rstrip("/"), mounted.key)


class DeskKey:
    """A key of the embedded gateway, issued to this process by the local owner's right, revoked when it closes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._issued: IssuedKey | None = None

    @property
    def url(self) -> str:
        """What the gateway's record tells."""
        return self._desk().url

    def current(self) -> Access:
        """Return the key, issued at the first call, and the gateway as it is recorded now."""
        with self._lock:
            desk = self._desk()
            if self._issued is None:
                self._issue(desk)
            return self._access(desk)

    def renewed(self, refused: Access) -> Access | None:
        """Return a new key where the refused one is still ours."""
        with self._lock:
            desk = self._desk()
            if self._issued is None or self._access(desk).has_key_of(refused):
                self._issue(desk)
            return self._access(desk)

    @property
    def tags(self) -> Mapping[str, str]:
        """Nothing: no notebook was given this key."""
        return {}

    def close(self) -> None:
        """Revoke the key; a gateway that is gone has done it."""
        with self._lock, contextlib.suppress(WorkbenchError):
            if self._issued is not None:
                issued, self._issued = self._issued, None
                self._desk().revoke(issued.id, timeout=2.0)

    def _desk(self) -> KeyDesk:
        record, token = read_record(self._home), read_owner_token(self._home)
        if record is None or token is None:
            raise GatewayUnreachable(
                f"The gateway of {self._home} has ended.",
                hint="`workbench up` starts one, or open a notebook in JupyterLab.",
            )
        return KeyDesk(record.url, token)

    def _issue(self, desk: KeyDesk) -> None:
        note = f"client, pid {os.getpid()}"
        self._issued = desk.issue(note=note, expires_in=_ISSUED_FOR, lease=None, timeout=_TIMEOUT)

    def _access(self, desk: KeyDesk) -> Access:
        assert self._issued is not None
        return Access(desk.url, self._issued.key)
