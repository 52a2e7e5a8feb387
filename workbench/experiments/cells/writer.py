"""One thread that writes to an sqlite file what others hand it: whatever waits goes into one transaction.

So many answers share one fsync (group commit), and each of them is durable when its future says so.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

Statement = tuple[str, Sequence[Any]]
_MOST_AT_ONCE = 512


class Writer:
    """Write in groups; the thread begins with the first statement and ends with `close`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[tuple[list[Statement], Future[None]] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, statements: Iterable[Statement]) -> Future[None]:
        """Write some rows, all or none; the future is done when they are durable, or raises why they can't be."""
        done: Future[None] = Future()
        self._waiting.put((list(statements), done))
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                    self._thread.start()
        return done

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _run(self) -> None:
        ends = False
        while not ends:
            group = [self._waiting.get()]
            while len(group) < _MOST_AT_ONCE and not self._waiting.empty():
                group.append(self._waiting.get())
            ends = None in group
            self._commit([item for item in group if item is not None])

    def _commit(self, group: Sequence[tuple[list[Statement], Future[None]]]) -> None:
        if not group:
            return
        failure: Exception | None = None
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for statements, _ in group:
                    for statement, values in statements:
                        self._database.execute(statement, values)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whoever waits for the rows is told
            # One row that can't be written fails alone; a disk that is full or busy refuses all of them.
            if len(group) > 1 and not isinstance(error, sqlite3.OperationalError):
                for one in group:
                    self._commit([one])
                return
            failure = error
        for _, done in group:
            if done.set_running_or_notify_cancel():
                done.set_result(None) if failure is None else done.set_exception(failure)
