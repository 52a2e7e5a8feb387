"""The ledger's spool: a SQLite file in WAL mode, written by one thread that commits in groups.

While one commit runs, the next group collects. A call waits for its group before its last byte goes out. Where the
disk fails, rows are kept and tried again, and new calls are refused: no answer goes out unaudited.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from workbench.errors import IntegrityError, Unavailable
from workbench.gateway.ledger.row import COLUMNS, GENESIS, LedgerRow

_log = logging.getLogger("workbench.gateway.ledger")

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_REAL = frozenset({"audio_seconds", "cost_usd", "latency_ms", "first_token_ms", "overhead_ms"})
_INTEGER = frozenset(
    {"stream", "status", "attempts", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
     "reasoning_tokens", "images", "redactions", "seq"}
)  # fmt: skip
_INSERT = f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names

_Pending = tuple[LedgerRow, "asyncio.Future[None]"]


class Spool:
    """The durable end of the ledger. `write` returns when the row would survive what `sync` promises."""

    def __init__(self, folder: Path, *, sync: Literal["full", "normal"] = "full") -> None:
        self.path = folder / "calls.db"
        self._sync = sync
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._writer = ""
        self._slot: FileLock | None = None
        self._seq = 0
        self._prev_hash = GENESIS

    def open(self) -> None:
        """Open the file, take a free writer's name and start the thread. Blocks."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = connect(self.path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if self._sync == 'full' else 'NORMAL'}")
        _migrate(connection, self.path)
        self._writer, self._slot = _take_writer(self.path.parent)
        last = connection.execute(
            "SELECT seq, hash FROM calls WHERE writer = ? ORDER BY rowid DESC LIMIT 1", (self._writer,)
        ).fetchone()
        if last is not None:
            self._seq, self._prev_hash = last["seq"], last["hash"]
        self._thread = threading.Thread(
            target=self._run, args=(connection, asyncio.get_running_loop()), name="ledger", daemon=True
        )
        self._thread.start()

    def check(self) -> None:
        """Raise Unavailable while rows can't be written."""
        if self._failure is not None:
            raise _unavailable(self._failure)

    async def write(self, row: LedgerRow) -> None:
        """Return when the row is durable.

        Raises Unavailable if that fails; the row is kept and written later.
        """
        written = asyncio.get_running_loop().create_future()
        self._queue.put((row, written))
        await written

    def close(self) -> None:
        """Write what waits and stop the thread. Blocks."""
        self._closing = True
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._slot is not None:
            self._slot.release()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        backlog: list[LedgerRow] = []
        open_ = True
        while open_ or backlog:
            group, open_ = self._collect(wait=_RETRY_SECONDS if backlog else None) if open_ else ([], False)
            rows = backlog + [row for row, _ in group]
            try:
                lost = self._keep(connection, rows)
                backlog, failure = [], None
            except sqlite3.Error as error:
                if self._failure is None:
                    _log.error("the ledger can't be written: %s; %d rows wait", error, len(rows))
                lost, backlog, failure = set(), rows, str(error)
            self._failure = failure
            if group:
                told = [(written, "the row fits no column" if id(row) in lost else failure) for row, written in group]
                loop.call_soon_threadsafe(_tell, told)
            if failure and self._closing:
                _log.error("%d ledger rows were lost at the end: %s", len(backlog), failure)
                break
        connection.close()

    def _keep(self, connection: sqlite3.Connection, rows: list[LedgerRow]) -> set[int]:
        """Commit rows in one group; return the ids of those that no column takes, which must not stop the others."""
        if not rows:
            return set()
        try:
            self._commit(connection, rows)
        except (OverflowError, ValueError, TypeError, sqlite3.InterfaceError) as error:
            if len(rows) == 1:
                _log.exception("a ledger row can't be kept: %s", error)
                return {id(rows[0])}
            return {lost for row in rows for lost in self._keep(connection, [row])}
        return set()

    def _collect(self, *, wait: float | None) -> tuple[list[_Pending], bool]:
        group: list[_Pending] = []
        try:
            item = self._queue.get(timeout=wait)
            while item is not None:
                group.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return group, True
        return group, False

    def _commit(self, connection: sqlite3.Connection, rows: Iterable[LedgerRow]) -> None:
        seq, prev_hash = self._seq, self._prev_hash
        values = []
        for row in rows:
            seq += 1
            values.append(row.seal(writer=self._writer, seq=seq, prev_hash=prev_hash))
            prev_hash = row.hash
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._seq, self._prev_hash = seq, prev_hash


def connect(path: Path) -> sqlite3.Connection:
    """Open a spool file; rows come as mappings."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _tell(waiting: list[tuple[asyncio.Future[None], str | None]]) -> None:
    for written, failure in waiting:
        if written.done():  # the call was cancelled while it waited
            continue
        if failure is None:
            written.set_result(None)
        else:
            written.set_exception(_unavailable(failure))


def _unavailable(failure: str) -> Unavailable:
    return Unavailable(
        f"The ledger can't be written ({failure}), and no call is answered unaudited.",
        hint="Try again; if it stays so, the admin must make room or free the ledger's file.",
        code="ledger_unavailable",
    )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        raise IntegrityError(
            f"The ledger {path} has schema {found}; this program knows up to {SCHEMA_VERSION}.",
            hint="A newer workbench has written it: upgrade this one, or use another WORKBENCH_HOME.",
            code="newer_schema",
        )
    if found < 1:
        columns = ", ".join(f"{name} {_type(name)}" for name in COLUMNS)
        connection.executescript(
            f"""
            BEGIN IMMEDIATE;
            CREATE TABLE IF NOT EXISTS calls ({columns});
            CREATE UNIQUE INDEX IF NOT EXISTS calls_request ON calls (request_id);
            CREATE INDEX IF NOT EXISTS calls_key ON calls (key_id, time);
            PRAGMA user_version = {SCHEMA_VERSION};
            COMMIT;
            """
        )


def _type(name: str) -> str:
    return "REAL" if name in _REAL else "INTEGER" if name in _INTEGER else "TEXT"


def _take_writer(folder: Path) -> tuple[str, FileLock]:
    """Return the first writer's name that no living process has."""
    number = 0
    while True:
        lock = FileLock(folder / f"w{number}.lock", thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            number += 1
            continue
        return f"w{number}", lock
