"""The ledger's spool: a SQLite file in WAL mode, written by one thread that commits in groups.

Rows that come within two milliseconds of the last group wait for the next; while one commit runs, the next collects. A
call waits for its group before its last byte goes out. Where the disk fails, rows are kept and tried again, and new
calls are refused: no answer goes out unaudited.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from filelock import FileLock, Timeout

from workbench.errors import IntegrityError, Unavailable
from workbench.gateway.ledger.row import COLUMNS, GENESIS, LedgerRow

_log = logging.getLogger("workbench.gateway.ledger")

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0
LEDGER_UNAVAILABLE = "ledger_unavailable"
_RETRY_SECONDS = 0.5
_GATHER_SECONDS = 0.002
"""Least time between two groups: a commit costs as much as ten rows. A row that comes alone does not wait."""
_ONE_STEP = 32
"""Most rows that are written by one statement; each statement gives Python's lock away and has to get it back."""
_MOST_WAITING = 10_000
"""Rows kept while the ledger can't be written; beyond it, those of refused calls are let go first."""
_MISFITS = (
    OverflowError, ValueError, TypeError,
    sqlite3.InterfaceError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError,
)  # fmt: skip
"""What a row raises that can never be written, however well the disk is."""
_REAL = frozenset({"audio_seconds", "cost_usd", "latency_ms", "first_token_ms", "overhead_ms"})
_INTEGER = frozenset(
    {"stream", "status", "attempts", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
     "reasoning_tokens", "images", "redactions", "seq"}
)  # fmt: skip
_PLACES = f"({', '.join('?' * len(COLUMNS))})"
_INSERTS = [
    f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES {', '.join([_PLACES] * rows)}"  # noqa: S608 - our own names
    for rows in range(_ONE_STEP + 1)
]
"""The statement for so many rows."""

_Pending = tuple[LedgerRow, "asyncio.Future[None]"]


class Spool:
    """The durable end of the ledger. `write` returns when the row would survive what `sync` promises."""

    def __init__(self, folder: Path, *, sync: Literal["full", "normal"] = "full") -> None:
        self.path = folder / "calls.db"
        self.listeners: list[Callable[[LedgerRow], None]] = []
        """Hear of each row before it is sealed, in the event loop's thread; they never fail and never wait."""
        self._sync = sync
        self._gathered: list[_Pending] = []
        self._handed_over = 0.0
        self._queue: queue.SimpleQueue[list[_Pending] | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._closing = False
        self._ended = False
        self._group: list[_Pending] = []
        self._left_out = 0
        self._let_go = 0
        self._thread: threading.Thread | None = None
        self._writer = ""
        self._slot: FileLock | None = None
        self._seq = 0
        self._prev_hash = GENESIS

    def open(self) -> None:
        """Open the file, take a free writer's name and start the thread; raises Unavailable. Blocks."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = connect(self.path)
        except (OSError, sqlite3.Error) as error:
            raise _unopened(self.path, error) from error
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if self._slot is not None:
                self._slot.release()
            if isinstance(error, OSError | sqlite3.Error):
                raise _unopened(self.path, error) from error
            raise
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(connection, self._loop), name="ledger", daemon=True)
        self._thread.start()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if self._sync == 'full' else 'NORMAL'}")
        _migrate(connection, self.path)
        self._writer, self._slot = _take_writer(self.path.parent)
        last = connection.execute(
            "SELECT seq, hash FROM calls WHERE writer = ? ORDER BY rowid DESC LIMIT 1", (self._writer,)
        ).fetchone()
        if last is not None:
            self._seq, self._prev_hash = last["seq"], last["hash"]

    def check(self) -> None:
        """Raise Unavailable while rows can't be written."""
        if self._failure is not None:
            raise _unavailable(self._failure)

    async def write(self, row: LedgerRow) -> None:
        """Return when the row is durable.

        Raises Unavailable if that fails; the row is kept and written later.
        """
        written = self._loop.create_future()
        for listener in self.listeners:
            listener(row)
        if not self._gathered:
            self._loop.call_at(self._handed_over + _GATHER_SECONDS, self._hand_over)
        self._gathered.append((row, written))
        await written

    def _hand_over(self) -> None:
        """Give the thread what has gathered: waking it for each row would cost more than writing it."""
        self._handed_over = self._loop.time()
        gathered, self._gathered = self._gathered, []
        self._queue.put(gathered)

    def leave_out(self) -> None:
        """Count a call that was refused because the ledger can't be written: a row of it would only wait, too."""
        self._left_out += 1

    def close(self) -> None:
        """Write what waits and stop the thread. Blocks."""
        self._closing = True
        self._queue.put(self._gathered)
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._slot is not None:
            self._slot.release()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._work(connection, loop)
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a thread that is gone
            _log.critical("the ledger's writer ended: %r", error, exc_info=error)
            failure = self._failure = f"its writer ended: {error!r}"
            _answer(loop, [(written, failure) for _, written in self._group])
            while not self._ended:
                group, _ = self._collect(not_before=None)
                _answer(loop, [(written, failure) for _, written in group])
        finally:
            connection.close()

    def _work(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        rows: list[LedgerRow] = []
        not_before: float | None = None
        open_ = True
        while open_ or rows:
            group, open_ = self._collect(not_before=not_before) if open_ else ([], False)
            self._group = group
            rows += [row for row, _ in group]
            lost: set[int] = set()
            failure = None
            try:
                self._keep(connection, rows, lost)
            except sqlite3.Error as error:
                failure = str(error)
                if self._failure is None:
                    _log.error("the ledger can't be written: %s; %d rows wait", error, len(rows))
            waiting = {id(row) for row in rows}
            rows = self._bounded(rows)
            if failure is None and self._failure is not None:
                _log.warning(
                    "the ledger can be written again; so far %d calls were refused without a row, and %d rows let go",
                    self._left_out, self._let_go,
                )  # fmt: skip
            self._failure = failure
            not_before = None if failure is None else monotonic() + _RETRY_SECONDS
            _answer(loop, [
                (written, "the row fits no column" if id(row) in lost else failure if id(row) in waiting else None)
                for row, written in group
            ])  # fmt: skip
            self._group = []
            if failure and self._closing and not open_:
                _log.error("%d ledger rows were lost at the end: %s", len(rows), failure)
                break

    def _keep(self, connection: sqlite3.Connection, rows: list[LedgerRow], lost: set[int]) -> None:
        """Commit rows in one group, and take from the list what needs no other try.

        A row that no column takes must not stop the others: its id goes to `lost`.
        """
        if not rows:
            return
        try:
            self._commit(connection, rows)
        except _MISFITS:
            while rows:
                try:
                    self._commit(connection, rows[:1])
                except _MISFITS as error:
                    _log.exception("a ledger row can't be kept: %s", error)
                    lost.add(id(rows[0]))
                del rows[0]
        else:
            rows.clear()

    def _bounded(self, rows: list[LedgerRow]) -> list[LedgerRow]:
        """Return as many rows as may wait; those of calls that reached a provider go first."""
        if len(rows) <= _MOST_WAITING:
            return rows
        if not self._let_go:
            _log.error("more than %d ledger rows wait: from here on some are let go", _MOST_WAITING)
        self._let_go += len(rows) - _MOST_WAITING
        return sorted(rows, key=lambda row: row.outcome == "refused")[:_MOST_WAITING]

    def _collect(self, *, not_before: float | None) -> tuple[list[_Pending], bool]:
        """Return what waits and whether more may come; with `not_before`, what comes until then."""
        group: list[_Pending] = []
        wait: float | None = None
        try:
            while not_before is not None or not (group and self._queue.empty()):
                if not_before is not None:
                    wait = max(0.0, not_before - monotonic())
                rows = self._queue.get(timeout=wait)
                if rows is None:
                    self._ended = True
                    return group, False
                group += rows
        except queue.Empty:
            pass
        return group, True

    def _commit(self, connection: sqlite3.Connection, rows: list[LedgerRow]) -> None:
        seq, prev_hash = self._seq, self._prev_hash
        values = []
        for row in rows:
            seq += 1
            values.append(row.seal(writer=self._writer, seq=seq, prev_hash=prev_hash))
            prev_hash = row.hash
        if len(values) <= _ONE_STEP:
            connection.execute(_INSERTS[len(values)], list(chain.from_iterable(values)))  # a transaction by itself
        else:
            _insert_many(connection, values)
        self._seq, self._prev_hash = seq, prev_hash


def _insert_many(connection: sqlite3.Connection, values: list[tuple[Any, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_INSERTS[1], values)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path) -> sqlite3.Connection:
    """Open a spool file; rows come as mappings."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def _answer(loop: asyncio.AbstractEventLoop, told: list[tuple[asyncio.Future[None], str | None]]) -> None:
    """Tell the calls that wait, unless their event loop is gone."""
    if told:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, told)


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
        code=LEDGER_UNAVAILABLE,
    )


def _unopened(path: Path, error: Exception) -> Unavailable:
    return Unavailable(
        f"The ledger {path} can't be opened ({error}).",
        hint="The admin must make room, free the file, or check whose it is.",
        code=LEDGER_UNAVAILABLE,
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
