"""Who looks at what: places at the items of review queues, in sqlite below home.

A work log beside MLflow, which holds the votes. It keeps what lasts minutes (who has a place at an item, on which side
what stands) and each vote from the press of the button until MLflow has it. Lost, it is made again from MLflow.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (
    queue TEXT NOT NULL, item TEXT NOT NULL, rater TEXT NOT NULL, showing INTEGER NOT NULL, ticket TEXT NOT NULL UNIQUE,
    matchup TEXT NOT NULL, first_left INTEGER NOT NULL, held_until REAL NOT NULL,
    word TEXT, comment TEXT, correction TEXT, said_at REAL, written INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, item, rater, showing)
);
CREATE INDEX IF NOT EXISTS places_of_raters ON places (queue, rater);
CREATE INDEX IF NOT EXISTS places_unwritten ON places (queue) WHERE word IS NOT NULL AND written = 0;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = (
    "queue, item, rater, showing, ticket, matchup, first_left, held_until, word, comment, correction, said_at, written"
)
_BUSY_SECONDS = 30
_TICKET_BYTES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """One rater at one item."""

    queue: str
    """The queue."""
    item: str
    """The item."""
    rater: str
    """Who."""
    showing: int
    """1, or 2 where it is shown again."""
    ticket: str
    """Random word by which the page names the place; it tells nothing."""
    matchup: str
    """Which two runs meet."""
    first_left: bool
    """Whether the queue's first run stands on the left."""
    held_until: float
    """Until when nobody else gets the place, in seconds since 1970."""
    word: str | None = None
    """What the rater said; None as long as nothing."""
    comment: str | None = None
    """Why."""
    correction: str | None = None
    """What should have come out."""
    said_at: float | None = None
    """When, in seconds since 1970."""
    written: bool = False
    """Whether MLflow has it."""


class WorkList:
    """The places of all queues of one home, safe to share between threads and processes."""

    def __init__(self, home: Path) -> None:
        self.path = home / "feedback.db"
        self._lock = threading.RLock()
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"The list of who rates what, {self.path}, can't be opened: {error}.") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let one at a time look and decide, among all processes."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise Unavailable(
                    f"The list of who rates what, {self.path}, failed: {error}.", hint="Is the disk full, or read-only?"
                ) from error

    def of_rater(self, queue: str, rater: str) -> list[Place]:
        """Return a rater's places in a queue, those with a vote first, in the order of the votes."""
        return self._places("queue = ? AND rater = ? ORDER BY said_at IS NULL, said_at, showing", (queue, rater))

    def by_ticket(self, ticket: str) -> Place | None:
        """Return the place that a page names, or None."""
        return next(iter(self._places("ticket = ?", (ticket,))), None)

    def taken(self, queue: str, *, now: float, but: str = "") -> dict[str, int]:
        """Return how many people have each item, voted or held; those of the rater `but` are left out."""
        rows = self._all(
            "SELECT item, COUNT(*) FROM places WHERE queue = ? AND showing = 1 AND rater != ?"
            " AND (word IS NOT NULL OR held_until > ?) GROUP BY item",
            (queue, but, now),
        )
        return dict(rows)

    def voted(self, queue: str) -> list[Place]:
        """Return the places of a queue that have a vote, oldest vote first."""
        return self._places("queue = ? AND word IS NOT NULL ORDER BY said_at", (queue,))

    def unwritten(self, queue: str) -> list[Place]:
        """Return the places whose vote MLflow may not have yet."""
        return self._places("queue = ? AND word IS NOT NULL AND written = 0 ORDER BY said_at", (queue,))

    def take(self, place: Place) -> None:
        """Keep a place; within a transaction. One that the rater has already stays as it is."""
        self._add([place])

    def hold(self, ticket: str, until: float) -> None:
        """Hold a place for longer."""
        self._run("UPDATE places SET held_until = ? WHERE ticket = ?", (until, ticket))

    def give_up(self, ticket: str) -> None:
        """Give back a place that has no vote."""
        self._run("DELETE FROM places WHERE ticket = ? AND word IS NULL", (ticket,))

    def say(self, ticket: str, word: str, comment: str | None, correction: str | None, *, now: float) -> bool:
        """Keep a vote, durable at return; return False where the place has one: the first word stands."""
        return self._run(
            "UPDATE places SET word = ?, comment = ?, correction = ?, said_at = ? WHERE ticket = ? AND word IS NULL",
            (word, comment, correction, now, ticket),
        )

    def written(self, ticket: str) -> None:
        """Note that MLflow has the vote."""
        self._run("UPDATE places SET written = 1 WHERE ticket = ?", (ticket,))

    def learn(self, places: Sequence[Place]) -> None:
        """Take over votes that MLflow has and this list does not."""
        with self.transaction():
            for place in places:
                self._run(
                    "UPDATE places SET word = ?, said_at = ?, written = 1"
                    " WHERE queue = ? AND item = ? AND rater = ? AND showing = ? AND word IS NULL",
                    (place.word, place.said_at, place.queue, place.item, place.rater, place.showing),
                )
            self._add(places)

    def secret(self) -> str:
        """Return this home's own random word, from which orders and sides outside a queue are drawn."""
        self._run("INSERT OR IGNORE INTO kept VALUES ('seed', ?)", (secrets.token_hex(16),))
        return str(self._all("SELECT value FROM kept WHERE name = 'seed'", ())[0][0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _add(self, places: Sequence[Place]) -> None:
        rows = [
            (
                each.queue, each.item, each.rater, each.showing, each.ticket, each.matchup, int(each.first_left),
                each.held_until, each.word, each.comment, each.correction, each.said_at, int(each.written),
            )
            for each in places
        ]  # fmt: skip
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        with self._lock:
            self._database.executemany(f"INSERT OR IGNORE INTO places ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608

    def _places(self, where: str, values: Iterable[object]) -> list[Place]:
        rows = self._all(f"SELECT {_COLUMNS} FROM places WHERE {where}", values)  # noqa: S608 - only our own words
        named = [dict(zip(_COLUMNS.split(", "), row, strict=True)) for row in rows]
        return [
            Place(**{**row, "first_left": bool(row["first_left"]), "written": bool(row["written"])}) for row in named
        ]

    def _all(self, query: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._database.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"The list of who rates what, {self.path}, can't be read: {error}.") from error

    def _run(self, query: str, values: Iterable[object]) -> bool:
        try:
            with self._lock:
                return self._database.execute(query, tuple(values)).rowcount > 0
        except sqlite3.Error as error:
            raise Unavailable(
                f"The list of who rates what, {self.path}, failed: {error}.", hint="Is the disk full, or read-only?"
            ) from error


def new_ticket() -> str:
    """Return a random word for a place."""
    return secrets.token_urlsafe(_TICKET_BYTES)


_open: dict[Path, WorkList] = {}
_opening = threading.Lock()


def work_list(home: Path) -> WorkList:
    """Return the list of a home, opened once in a process."""
    with _opening:
        if home not in _open:
            _open[home] = WorkList(home)
        return _open[home]
