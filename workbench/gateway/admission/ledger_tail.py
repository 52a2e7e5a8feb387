"""What one writer's rows in a ledger say was spent, by whose budget it was; for booking leases of money. Blocks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from workbench.errors import Unavailable
from workbench.gateway.admission.subject import KINDS, Subject
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import SUBJECT_COLUMNS
from workbench.gateway.ledger.schema import spool_id
from workbench.gateway.ledger.spool import LEDGER_UNAVAILABLE

LEASE_LOST = "lease_lost"
"""`error_code` of the rows that tell of a dead process's lease: they are booked when they are made."""
_PICO = "CAST(ROUND(cost_usd * 1e12) AS INTEGER)"
_SINCE = f"""
    SELECT {", ".join(SUBJECT_COLUMNS[kind] for kind in KINDS)}, SUM({_PICO}) FROM calls
    WHERE rowid > ? AND rowid <= ? AND writer = ? AND cost_usd > 0 AND COALESCE(error_code, '') != '{LEASE_LOST}'
    GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - our own names
_SPENT = f"""
    SELECT COALESCE(SUM(pico), 0), COALESCE(SUM(CASE WHEN time >= ? THEN pico END), 0),
           COALESCE(SUM(CASE WHEN time >= ? THEN pico END), 0)
    FROM (SELECT time, {_PICO} AS pico FROM calls WHERE {{column}} = ? AND cost_usd > 0 AND rowid <= {{until}}
          UNION ALL SELECT day, {_PICO} FROM totals WHERE {{column}} = ? AND cost_usd > 0)
"""  # noqa: S608 - our own names


class Amounts(NamedTuple):
    """What was spent, in picodollars."""

    total: int
    """In all."""
    day: int
    """In a day."""
    month: int
    """In a month."""


class LedgerTail:
    """The rows of one writer in one ledger."""

    def __init__(self, path: Path, writer: str) -> None:
        self.path = path
        self.writer = writer
        self._ledger: str | None = None

    @property
    def ledger(self) -> str:
        """Return what names the ledger, wherever its file is seen from."""
        if self._ledger is None:
            with self._reading() as connection:
                self._ledger = spool_id(connection)
        return self._ledger

    def of(self, path: str, ledger: str, writer: str) -> LedgerTail | None:
        """Return another writer's rows; None where this machine does not see that ledger."""
        if ledger == self.ledger:
            return LedgerTail(self.path, writer)
        other = LedgerTail(Path(path), writer)
        try:
            return other if other.path.is_file() and other.ledger == ledger else None
        except (OSError, Unavailable):
            return None

    def has(self, request_id: str) -> bool:
        """Return whether the ledger has a row of that id."""
        with self._reading() as connection:
            return connection.execute("SELECT 1 FROM calls WHERE request_id = ?", (request_id,)).fetchone() is not None

    def end(self) -> int:
        """Return where the ledger ends now."""
        with self._reading() as connection:
            return _end(connection)

    def since(self, place: int) -> tuple[int, dict[Subject, int]]:
        """Return where the ledger ends, and what the writer's rows behind a place cost, in picodollars."""
        spent: dict[Subject, int] = {}
        with self._reading() as connection:
            end = _end(connection)
            place = place if place <= end else 0  # its last rows were pruned, and places begin anew
            for *names, amount in connection.execute(_SINCE, (place, end, self.writer)):
                for kind, name in zip(KINDS, names, strict=True):
                    if name is not None:
                        subject = Subject(kind, name)
                        spent[subject] = spent.get(subject, 0) + amount
        return end, spent

    def spent(self, subject: Subject, now: float, until: Mapping[str, int]) -> Amounts:
        """Return what a subject has spent in the whole ledger, of some writers up to a place only."""
        whens = " ".join(f"WHEN ? THEN {int(place)}" for place in until.values())
        bound = f"CASE writer {whens} ELSE rowid END" if until else "rowid"
        date = time.gmtime(now)
        times = (time.strftime("%Y-%m-%d", date), time.strftime("%Y-%m", date))
        query = _SPENT.format(column=SUBJECT_COLUMNS[subject.kind], until=bound)
        with self._reading() as connection:
            row = connection.execute(query, (*times, subject.name, *until, subject.name)).fetchone()
        return Amounts(*row)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self.path)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise Unavailable(
                f"The ledger can't be read: {error}.", hint="Try again.", code=LEDGER_UNAVAILABLE
            ) from error


def _end(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM calls").fetchone()[0])
