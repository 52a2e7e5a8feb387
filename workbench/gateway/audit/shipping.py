"""Rows on their way from the spool to the lake, each exactly once, and out of the spool after a while.

What a shipment holds is written down before its first file. A shipment that was killed is made again as it was, into
files of the same names; the next one begins behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from workbench.errors import Conflict
from workbench.gateway.audit.lake import Lake, body_path, row_path
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import COLUMNS
from workbench.gateway.ledger.schema import BODY_COLUMNS, GROUPED, TALLIED, TALLY, TALLY_AGAIN, migrate, spool_id

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS_OF_A_SHIPMENT = 20_000
_ROWS_AT_ONCE = 2000
"""Rows that leave the spool in one transaction: calls wait for it."""
_DAY = "substr(time, 1, 10)"
_GROUPS = ", ".join(GROUPED)
_COLUMNS = ", ".join(COLUMNS)
_BODY_COLUMNS = ", ".join(BODY_COLUMNS)


@dataclass(frozen=True, slots=True)
class Shipped:
    """What went to the lake."""

    rows: int = 0
    """Rows of calls."""
    bodies: int = 0
    """Calls with kept bodies."""
    files: int = 0
    """Files that they are in."""


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Be the only process that ships or deletes; raises Conflict where another one does."""
    lock = FileLock(path.parent / "ship.lock")
    try:
        lock.acquire(timeout=5)
    except Timeout as error:
        raise Conflict("The ledger is being shipped.", hint="Wait until that is done.", code="shipping") from error
    try:
        yield
    finally:
        lock.release()


def ship(path: Path, lake: Lake, *, rows: int = ROWS_OF_A_SHIPMENT) -> Shipped:
    """Bring what is new in a spool to the lake."""
    with closing(connect(path)) as connection:
        migrate(connection, path)
        told = Shipped()
        while plan := _plan(connection, rows):
            sent = _send(connection, lake, plan)
            told = Shipped(told.rows + sent.rows, told.bodies + sent.bodies, told.files + sent.files)
        return told


def _plan(connection: sqlite3.Connection, rows: int) -> tuple[int, int] | None:
    """Return which rows are next, written down: behind the first number, up to the second."""
    with _transaction(connection):
        told = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        if "plan" in told:
            first, last = told["plan"].split(":")
            return int(first), int(last)
        begin = int(told.get("place", 0))
        query = "SELECT MAX(rowid) FROM (SELECT rowid FROM calls WHERE rowid > ? ORDER BY rowid LIMIT ?)"
        end = connection.execute(query, (begin, rows)).fetchone()[0]
        if end is None:
            return None
        connection.execute("INSERT INTO meta VALUES ('plan', ?)", (f"{begin}:{end}",))
        return begin, int(end)


def _send(connection: sqlite3.Connection, lake: Lake, plan: tuple[int, int]) -> Shipped:
    ours = spool_id(connection)
    query = f"SELECT {_COLUMNS} FROM calls WHERE rowid > ? AND rowid <= ? ORDER BY rowid"  # noqa: S608 - our own names
    by_writer: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(query, plan):
        by_writer[row["writer"]].append(dict(row))
    _leave_out_what_is_there(connection, lake, by_writer, ours)
    count = files = bodies = 0
    for writer, rows in by_writer.items():
        first, last = rows[0]["seq"], rows[-1]["seq"]
        named = f"{writer}-{ours}"
        by_day = defaultdict(list)
        for row in rows:
            by_day[row["time"][:10]].append(row)
        for day, some in by_day.items():
            lake.put_rows(row_path(day, named, first, last), some)
        kept = _bodies(connection, plan, writer)
        by_class = defaultdict(list)
        for body in kept:
            by_class[body["time"][:10], body["data_class"]].append(body)
        for (day, data_class), some in by_class.items():
            lake.put_bodies(body_path(day, data_class, named, first, last), some)
        count += len(rows)
        bodies += len(kept)
        files += len(by_day) + len(by_class)
    with _transaction(connection):
        for writer, rows in by_writer.items():
            connection.execute(
                "INSERT OR REPLACE INTO shipped VALUES (?, ?, ?)", (writer, rows[-1]["seq"], rows[-1]["hash"])
            )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('place', ?)", (str(plan[1]),))
        connection.execute("DELETE FROM meta WHERE name = 'plan'")
    return Shipped(count, bodies, files)


def _leave_out_what_is_there(
    connection: sqlite3.Connection, lake: Lake, by_writer: dict[str, list[dict[str, Any]]], ours: str
) -> None:
    """Leave out rows that the lake has from before a backup was restored: the backup did not know of that."""
    restored = connection.execute("SELECT value FROM meta WHERE name = 'restored'").fetchone()
    closed = {} if restored is None else json.loads(restored[0])
    if not closed.keys() & by_writer.keys():
        return
    ends = {part.writer: part.last for part in lake.parts()}
    for writer in closed.keys() & by_writer.keys():
        rows = [row for row in by_writer[writer] if row["seq"] > ends.get(f"{writer}-{ours}", 0)]
        if rows:
            by_writer[writer] = rows
        else:
            del by_writer[writer]


def _bodies(connection: sqlite3.Connection, plan: tuple[int, int], writer: str) -> list[dict[str, Any]]:
    query = (
        f"SELECT {_BODY_COLUMNS} FROM bodies WHERE writer = ? AND request_id IN "  # noqa: S608 - our own names
        "(SELECT request_id FROM calls WHERE rowid > ? AND rowid <= ? AND body_ref LIKE 'keep%')"
    )
    return [dict(row) for row in connection.execute(query, (writer, *plan))]


def prune(path: Path, *, before: str) -> int:
    """Take rows out of a spool that are in the lake and older than a time; return how many.

    Their sums stay, by day and by whom; the last row stays, too, so that no place is given twice.
    """
    with closing(connect(path)) as connection:
        migrate(connection, path)
        place = connection.execute("SELECT value FROM meta WHERE name = 'place'").fetchone()
        newer = connection.execute(
            "SELECT rowid FROM calls WHERE time >= ? ORDER BY rowid LIMIT 1", (before,)
        ).fetchone()
        last = connection.execute("SELECT MAX(rowid) FROM calls").fetchone()[0]
        if place is None or last is None:
            return 0
        end = min(int(place[0]), last - 1, last if newer is None else newer[0] - 1)
        gone = 0
        while count := _prune_some(connection, end):
            gone += count
        if gone:
            _condense(connection)
        return gone


def _prune_some(connection: sqlite3.Connection, end: int) -> int:
    with _transaction(connection):
        query = "SELECT MAX(rowid) FROM (SELECT rowid FROM calls WHERE rowid <= ? ORDER BY rowid LIMIT ?)"
        upto = connection.execute(query, (end, _ROWS_AT_ONCE)).fetchone()[0]
        if upto is None:
            return 0
        connection.execute(
            f"INSERT INTO totals (day, {_GROUPS}, {TALLIED}) "  # noqa: S608 - our own names
            f"SELECT {_DAY}, {_GROUPS}, {TALLY} FROM calls WHERE rowid <= ? GROUP BY {_DAY}, {_GROUPS}",
            (upto,),
        )
        connection.execute(
            "INSERT OR REPLACE INTO pruned SELECT writer, seq, hash FROM calls WHERE rowid IN "
            "(SELECT MAX(rowid) FROM calls WHERE rowid <= ? GROUP BY writer)",
            (upto,),
        )
        connection.execute(
            "DELETE FROM bodies WHERE request_id IN (SELECT request_id FROM calls WHERE rowid <= ?)", (upto,)
        )
        return connection.execute("DELETE FROM calls WHERE rowid <= ?", (upto,)).rowcount


def _condense(connection: sqlite3.Connection) -> None:
    """Make one row a day of what was summed bit by bit."""
    with _transaction(connection):
        connection.execute(
            f"CREATE TEMP TABLE condensed AS SELECT day, {_GROUPS}, {TALLY_AGAIN} FROM totals GROUP BY day, {_GROUPS}"  # noqa: S608
        )
        connection.execute("DELETE FROM totals")
        connection.execute(f"INSERT INTO totals (day, {_GROUPS}, {TALLIED}) SELECT * FROM condensed")  # noqa: S608
        connection.execute("DROP TABLE condensed")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
