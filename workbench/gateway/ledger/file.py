"""The ledger's file: opening it, writing rows, whose turn it is to write, coming back to one that was taken away."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from workbench.gateway.ledger.row import COLUMNS
from workbench.gateway.ledger.schema import BODY_COLUMNS
from workbench.gateway.standing_file import StandingFile

_log = logging.getLogger("workbench.gateway.ledger")

Sync = Literal["full", "normal"]
BUSY_SECONDS = 5.0
ONE_STEP = 32
"""Most rows that are written by one statement; each statement gives Python's lock away and has to get it back."""
_WAL_PAGES = 4000
"""Pages of 4 KiB after which the log is brought into the file: the last page of a table is in it many times."""
_PLACES = f"({', '.join('?' * len(COLUMNS))})"
INSERTS = [
    f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES {', '.join([_PLACES] * rows)}"  # noqa: S608 - our own names
    for rows in range(ONE_STEP + 1)
]
"""The statement for so many rows."""

_MINE = "WHERE writer = ? AND seq > ? ORDER BY seq"
_CALLS = f"SELECT {', '.join(COLUMNS)} FROM calls {_MINE}"  # noqa: S608 - our own names
_BODIES = f"SELECT {', '.join(BODY_COLUMNS)} FROM bodies {_MINE}"  # noqa: S608 - our own names
_INSERT_BODIES = f"INSERT INTO bodies ({', '.join(BODY_COLUMNS)}) VALUES ({', '.join('?' * len(BODY_COLUMNS))})"  # noqa: S608


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open a spool file, which is there unless it is to be made; rows come as mappings."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}", uri=True,
        timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    connection.row_factory = sqlite3.Row
    return connection


def tune(connection: sqlite3.Connection, sync: Sync) -> None:
    """Have a connection write as the ledger is written."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
    connection.execute(f"PRAGMA synchronous={'FULL' if sync == 'full' else 'NORMAL'}")


def insert_many(connection: sqlite3.Connection, values: list[tuple[Any, ...]], bodies: list[tuple[Any, ...]]) -> None:
    """Write rows and bodies, all of them or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(INSERTS[1], values)
        connection.executemany(_INSERT_BODIES, bodies)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def returned(
    file: StandingFile, old: sqlite3.Connection, path: Path, *, spool: str, writer: str, seq: int, sync: Sync
) -> sqlite3.Connection:
    """Come back to a ledger whose file was taken away, with all that was written; `old` is closed. Blocks.

    Raises OSError or sqlite3.Error where that can't be done now, or another ledger stands in its place.
    """
    mended = file.put_back()
    new = connect(path)
    try:
        told = new.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
        if told is None or told[0] != spool:
            raise sqlite3.OperationalError("another ledger stands in its place")
        tune(new, sync)
        tip = new.execute("SELECT COALESCE(MAX(seq), 0) FROM calls WHERE writer = ?", (writer,)).fetchone()[0]
        if tip < seq:  # what came between another worker's copy and now
            calls, bodies = ([tuple(row) for row in old.execute(query, (writer, tip))] for query in (_CALLS, _BODIES))
            insert_many(new, calls, bodies)
    except BaseException:
        new.close()
        raise
    old.close()
    _log.error("the ledger's file was taken away; it %s", "was put back" if mended else "is back, and written on")
    return new


def writer_lock(folder: Path, writer: str) -> FileLock:
    """Return the lock that whoever writes under a name holds; a name's generation is no part of it."""
    return FileLock(folder / f"{writer.partition('g')[0]}.lock", thread_local=False)


def take_writer(folder: Path) -> tuple[int, FileLock]:
    """Take the first writer's number that no living process has."""
    number = 0
    while True:
        lock = writer_lock(folder, f"w{number}")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            number += 1
            continue
        return number, lock
