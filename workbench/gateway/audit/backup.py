"""A copy of a home's ledger and state that fits together, made while the gateway runs; and the way back.

The state is copied first: what it has noted of the ledger is then in the copy of the ledger, too. No credential and no
token is in a backup, but hashes of keys and the secrets that ids and hashes are keyed with: it is for the owner's eyes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import Conflict, IntegrityError, NotFound, Unavailable
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.schema import migrate
from workbench.gateway.times import utc_now

_MANIFEST = "backup.json"
_LEDGER = "ledger/calls.db"
_STATE = "state.db"
_PAGES_AT_ONCE = 2000
"""Pages that are copied before writers get a turn."""


def backup(home: Path, target: Path, *, state: Path | None) -> dict[str, int]:
    """Copy ledger and state into a new folder; return the bytes of each file.

    `state` is the state database's file; None where it is a server's, which has its own way to be backed up.
    Raises Conflict where the folder is there already.
    """
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"{target} is there already and not empty.", hint="Name a new folder.")
    half = target.with_name(f".{target.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    (half / "ledger").mkdir(parents=True, mode=0o700)
    try:
        if state is not None:
            _copy(state, half / _STATE)
        _copy(home / _LEDGER, half / _LEDGER)
        files = {name: half / name for name in (_STATE, _LEDGER) if (half / name).exists()}
        manifest = {"made_at": utc_now(), "sha256": {name: _digest(path) for name, path in files.items()}}
        (half / _MANIFEST).write_text(json.dumps(manifest, indent=2), "utf-8")
        sizes = {name: path.stat().st_size for name, path in files.items()}
        if target.exists():
            target.rmdir()
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return sizes


def restore(source: Path, home: Path, *, state: Path | None) -> None:
    """Put a backup into a home that has no ledger; raises Conflict for one that has, or where a gateway runs.

    The ledger goes on in chains of its own: what the old one wrote after the backup, and shipped, stays as it is.
    """
    try:
        manifest = json.loads((source / _MANIFEST).read_text("utf-8"))
        for name, digest in manifest["sha256"].items():
            if _digest(source / name) != digest:
                raise IntegrityError(f"{source / name} is not what was backed up.", hint="Take another backup.")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise NotFound(f"{source} is no backup: {error}.", hint="`workbench audit backup FOLDER` makes one.") from error
    places = {name: home / name for name in manifest["sha256"]}
    if state is not None and _STATE in places:
        places[_STATE] = state
    for path in places.values():
        if path.exists():
            raise Conflict(f"{path} is there already.", hint="Move it away first, and its -wal and -shm files too.")
    lock = FileLock(home / "ledger" / "w0.lock")
    (home / "ledger").mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Conflict(f"A gateway runs for {home}.", hint="Stop it first.") from error
    try:
        for name, path in places.items():
            half = path.with_name(f".{path.name}.half")
            shutil.copyfile(source / name, half)
            half.chmod(0o600)
            if name == _LEDGER:
                _begin_anew(half)
            half.replace(path)
    finally:
        lock.release()


def _begin_anew(path: Path) -> None:
    """Close the chains of a copy: what comes is written by writers of another name."""
    with closing(connect(path)) as connection:
        migrate(connection, path)
        ends = dict(connection.execute("SELECT writer, seq FROM pruned").fetchall())
        ends.update(connection.execute("SELECT writer, MAX(seq) FROM calls GROUP BY writer").fetchall())
        found = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        values = {"generation": str(int(found[0]) + 1 if found else 1), "restored": json.dumps(ends)}
        values["bodies_noted"] = utc_now()  # what was deleted between the backup and now is not noted in it
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, writers or not."""
    if not source.exists():
        raise NotFound(f"There is no {source}.", hint="No gateway has run for this home yet.")
    try:
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(target)) as to:
            from_.backup(to, pages=_PAGES_AT_ONCE)
            found = to.execute("PRAGMA integrity_check").fetchone()[0]
            to.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unavailable(f"{source} can't be copied: {error}.", hint="Try again.") from error
    if found != "ok":
        raise IntegrityError(f"{source} is damaged: {found}.", hint="Restore an earlier backup.")
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
