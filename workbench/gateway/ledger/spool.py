"""The ledger's spool: a SQLite file in WAL mode, written by one thread that commits in groups.

Rows that come within four milliseconds of the last group wait for the next, unless they are many; while one commit
runs, the next collects. A call waits for its group before its last byte goes out. Where the disk fails, rows are kept
and tried again, and new calls are refused: no answer goes out unaudited.
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
from typing import Any, Literal, Protocol

from filelock import FileLock

from workbench.errors import Unavailable
from workbench.gateway.ledger.file import INSERTS, ONE_STEP, Sync, connect, insert_many, returned, take_writer, tune
from workbench.gateway.ledger.row import GENESIS, LedgerRow
from workbench.gateway.ledger.schema import migrate
from workbench.gateway.standing_file import StandingFile

_log = logging.getLogger("workbench.gateway.ledger")

LEDGER_UNAVAILABLE = "ledger_unavailable"
LOST = "lost"
"""The `body_ref` of a row whose bodies could not be kept."""
_RETRY_SECONDS = 0.5
_GATHER_SECONDS = 0.004
"""Least time between two groups: a commit costs as much as ten rows. A row that comes alone does not wait."""
_ENOUGH = 8
"""Rows that wait for nothing more: measured, fewer cost more CPU a call, and more cost calls a second."""
_MOST_WAITING = 10_000
"""Rows kept while the ledger can't be written; beyond it, those of refused calls are let go first."""
_MISFITS = (
    OverflowError, ValueError, TypeError,
    sqlite3.InterfaceError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError,
)  # fmt: skip
"""What a row raises that can never be written, however well the disk is."""


class Bodies(Protocol):
    """What is kept of a call beside its row."""

    def sealed(self, row: LedgerRow) -> tuple[Any, ...] | None:
        """Write `body_ref` into the row; return what is kept, as BODY_COLUMNS from the third on, or None.

        Called in the ledger's thread, once; never fails.
        """


class _Entry:
    """A row on its way, what is kept beside it, and who waits for it."""

    __slots__ = ("bodies", "kept", "row", "written")

    def __init__(self, row: LedgerRow, bodies: Bodies | None, written: asyncio.Future[None]) -> None:
        self.row = row
        self.bodies = bodies
        self.kept: tuple[Any, ...] | None = None
        self.written = written


class Spool:
    """The durable end of the ledger. `write` returns when the row would survive what `sync` promises."""

    def __init__(
        self,
        folder: Path,
        *,
        sync: Sync = "full",
        when_full: Literal["refuse", "answer"] = "refuse",
    ) -> None:
        self.path = folder / "calls.db"
        self.id = ""
        """Tells this file from those of other homes that ship to the same lake."""
        self.listeners: list[Callable[[LedgerRow], None]] = []
        """Hear of each row before it is sealed, in the event loop's thread; they never fail and never wait."""
        self._sync = sync
        self._refuses = when_full == "refuse"
        self.waiting = 0
        """Rows that could not be written yet, and are tried again."""
        self._gathered: list[_Entry] = []
        self._handed_over = 0.0
        self._queue: queue.SimpleQueue[list[_Entry] | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._closing = False
        self._ended = False
        self._group: list[_Entry] = []
        self._left_out = 0
        self._let_go = 0
        self._thread: threading.Thread | None = None
        self._writer = ""
        self._slot: FileLock | None = None
        self._seq = 0
        self._prev_hash = GENESIS
        self._tip = (0, GENESIS)

    def open(self) -> None:
        """Open the file, take a free writer's name and start the thread; raises Unavailable. Blocks."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = connect(self.path, create=True)
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
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="ledger", daemon=True)
        self._thread.start()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        tune(connection, self._sync)
        migrate(connection, self.path)
        told = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        self.id = told["id"]
        number, self._slot = take_writer(self.path.parent)
        self._writer = f"w{number}g{told['generation']}" if "generation" in told else f"w{number}"
        last = (
            connection.execute(
                "SELECT seq, hash FROM calls WHERE writer = ? ORDER BY rowid DESC LIMIT 1", (self._writer,)
            ).fetchone()
            or connection.execute("SELECT seq, hash FROM pruned WHERE writer = ?", (self._writer,)).fetchone()
        )
        if last is not None:
            self._seq, self._prev_hash = self._tip = last["seq"], last["hash"]

    @property
    def writer(self) -> str:
        """Return the name under which this process writes, once it is open."""
        return self._writer

    @property
    def tip(self) -> tuple[str, int, str]:
        """The writer's name, and the number and hash of its last row that is durable."""
        return (self._writer, *self._tip)

    def hash_at(self, seq: int) -> str | None:
        """Return the hash of that row of this writer's chain; None where there is no such row. Blocks."""
        with contextlib.closing(connect(self.path)) as connection:
            query = "SELECT seq, hash FROM calls WHERE writer = ? AND seq <= ? ORDER BY rowid DESC LIMIT 1"
            row = (
                connection.execute(query, (self._writer, seq)).fetchone()
                or connection.execute("SELECT seq, hash FROM pruned WHERE writer = ?", (self._writer,)).fetchone()
            )
        return row["hash"] if row is not None and row["seq"] == seq else None

    def check(self) -> None:
        """Raise Unavailable while rows can't be written, unless calls are to be answered all the same."""
        if self._failure is not None and self._refuses:
            raise _unavailable(self._failure)

    async def write(self, row: LedgerRow, bodies: Bodies | None = None) -> None:
        """Return when the row is durable, and what is kept beside it.

        Raises Unavailable if that fails; the row is kept and written later. Where calls are to be answered all the
        same, it returns at once while nothing can be written.
        """
        written = self._loop.create_future()
        for listener in self.listeners:
            listener(row)
        if not self._gathered:
            self._timer = self._loop.call_at(self._handed_over + _GATHER_SECONDS, self._hand_over)
        if self._failure is not None and not self._refuses:
            row.body_ref = None if bodies is None else LOST  # rows may wait for hours, and bodies are large
            self._gathered.append(_Entry(row, None, written))
            return
        self._gathered.append(_Entry(row, bodies, written))
        if len(self._gathered) >= _ENOUGH:
            self._timer.cancel()
            self._hand_over()
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
        gathered, self._gathered = self._gathered, []
        self._queue.put(gathered)
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._slot is not None:
            self._slot.release()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._work(loop)
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a thread that is gone
            _log.critical("the ledger's writer ended: %r", error, exc_info=error)
            failure = self._failure = f"its writer ended: {error!r}"
            _answer(loop, [(entry.written, failure) for entry in self._group])
            while not self._ended:
                group, _ = self._collect(not_before=None)
                _answer(loop, [(entry.written, failure) for entry in group])
        finally:
            self._connection.close()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        file = StandingFile(self.path, self._connection)
        rows: list[_Entry] = []
        not_before: float | None = None
        open_ = True
        while open_ or rows:
            group, open_ = self._collect(not_before=not_before) if open_ else ([], False)
            self._group = group
            rows += group
            lost: set[int] = set()
            failure = None
            try:
                if rows and not file.stands():
                    self._connection = returned(
                        file, self._connection, self.path,
                        spool=self.id, writer=self._writer, seq=self._seq, sync=self._sync,
                    )  # fmt: skip
                    file = StandingFile(self.path, self._connection)
                self._keep(self._connection, rows, lost)
            except (sqlite3.Error, OSError) as error:
                failure = str(error)
                if self._failure is None:
                    _log.error("the ledger can't be written: %s; %d rows wait", error, len(rows))
            waiting = {id(row) for row in rows}
            rows = self._bounded(rows)
            self.waiting = len(rows)
            if failure is None and self._failure is not None:
                _log.warning(
                    "the ledger can be written again; so far %d calls were refused without a row, and %d rows let go",
                    self._left_out, self._let_go,
                )  # fmt: skip
            self._failure = failure
            not_before = None if failure is None else monotonic() + _RETRY_SECONDS
            told = failure if self._refuses else None
            _answer(loop, [
                (each.written, "the row fits no column" if id(each) in lost else told if id(each) in waiting else None)
                for each in group
            ])  # fmt: skip
            self._group = []
            if failure and self._closing and not open_:
                _log.error("%d ledger rows were lost at the end: %s", len(rows), failure)
                break

    def _keep(self, connection: sqlite3.Connection, rows: list[_Entry], lost: set[int]) -> None:
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

    def _bounded(self, rows: list[_Entry]) -> list[_Entry]:
        """Return as many rows as may wait; those of calls that reached a provider go first."""
        if len(rows) <= _MOST_WAITING:
            return rows
        if not self._let_go:
            _log.error("more than %d ledger rows wait: from here on some are let go", _MOST_WAITING)
        self._let_go += len(rows) - _MOST_WAITING
        return sorted(rows, key=lambda entry: entry.row.outcome == "refused")[:_MOST_WAITING]

    def _collect(self, *, not_before: float | None) -> tuple[list[_Entry], bool]:
        """Return what waits and whether more may come; with `not_before`, what comes until then."""
        group: list[_Entry] = []
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

    def _commit(self, connection: sqlite3.Connection, rows: list[_Entry]) -> None:
        seq, prev_hash = self._seq, self._prev_hash
        values, bodies = [], []
        for entry in rows:
            seq += 1
            row = entry.row
            if entry.bodies is not None:
                entry.kept, entry.bodies = entry.bodies.sealed(row), None
            values.append(row.seal(writer=self._writer, seq=seq, prev_hash=prev_hash))
            prev_hash = row.hash
            if entry.kept is not None:
                bodies.append((row.request_id, self._writer, seq, *entry.kept))
        if len(values) <= ONE_STEP and not bodies:
            connection.execute(INSERTS[len(values)], list(chain.from_iterable(values)))  # a transaction by itself
        else:
            insert_many(connection, values, bodies)
        self._seq, self._prev_hash = self._tip = seq, prev_hash


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
