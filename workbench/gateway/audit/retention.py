"""What is over its time goes: kept bodies from spool and lake, rows from the lake, by data class.

In the place of rows a tombstone stays, so that the chain goes on. It is told to the state database before it is
written: a tombstone that the gateway did not make shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.lake import Lake, Part, deleted_path
from workbench.gateway.ledger.chain import Tombstone
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.schema import spool_id
from workbench.gateway.times import utc_text
from workbench.settings.audit import AuditSettings

_DAY = 86400.0
BODIES_NOTED, BODIES_BEFORE = "bodies_noted", "bodies_before:"
"""Names in a spool's `meta`: the time from which on it is noted what bodies were deleted; up to when, by data class."""
DaysOf = Callable[[str | None], float | None]
_NOTE = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)"


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was over its time."""

    rows: int = 0
    """Rows of the lake."""
    bodies: int = 0
    """Calls whose kept bodies are gone."""


def shortest(settings: AuditSettings) -> float:
    """Return how many days rows stay in the spool at most: those of no data class outlive their time there."""
    every = [settings.rows_days(name) for name in (None, *settings.classes)]
    return min([settings.spool_days, *(days for days in every if days is not None)])


def delete_old(path: Path, lake: Lake, settings: AuditSettings, anchors: Anchors) -> Deleted:
    """Delete what is over its time. Rows must have left the spool before."""
    now = time.time()
    paths = lake.paths()
    _note_bodies(
        path, {*settings.classes, *(part.data_class for part in lake.bodies(paths))}, settings.bodies_days, now
    )
    bodies = _delete_from_spool(path, settings.bodies_days, now)
    for part in lake.bodies(paths):
        if (before := _before(settings.bodies_days(part.data_class), now)) is not None and part.date <= before[:10]:
            bodies += _trim_bodies(lake, part, before)
    rows = 0
    with closing(connect(path)) as connection:
        gone = {row["writer"]: row["seq"] for row in connection.execute("SELECT writer, seq FROM pruned")}
        ours = spool_id(connection)
    for part in lake.parts(paths):
        writer, _, spool = part.writer.rpartition("-")
        if spool == ours and part.last <= gone.get(writer, 0) and _some_old(part, settings, now):
            rows += _trim_rows(lake, part, settings.rows_days, now, anchors)
    return Deleted(rows, bodies)


def _before(days: float | None, now: float) -> str | None:
    return None if days is None else utc_text(now - days * _DAY)


def _some_old(part: Part, settings: AuditSettings, now: float) -> bool:
    every = (_before(settings.rows_days(name), now) for name in (None, *settings.classes))
    return any(before is not None and part.date <= before[:10] for before in every)


def _note_bodies(path: Path, classes: set[str | None], days_of: DaysOf, now: float) -> None:
    """Note what bodies will be deleted, before they are: what is missing without a note was not the gateway's work."""
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        classes |= {row[0] for row in connection.execute("SELECT DISTINCT data_class FROM bodies")}
        connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (BODIES_NOTED, utc_text(now)))
        for name in classes:
            if (before := _before(days_of(name), now)) is not None:
                connection.execute(_NOTE, (f"{BODIES_BEFORE}{name or ''}", before))
        connection.execute("COMMIT")


def _delete_from_spool(path: Path, days_of: DaysOf, now: float) -> int:
    count = 0
    with closing(connect(path)) as connection:
        classes = [row[0] for row in connection.execute("SELECT DISTINCT data_class FROM bodies")]
        for name in classes:
            if (before := _before(days_of(name), now)) is not None:
                query = "DELETE FROM bodies WHERE data_class IS ? AND time < ?"
                count += connection.execute(query, (name, before)).rowcount
    return count


def _trim_bodies(lake: Lake, part: Part, before: str) -> int:
    rows = lake.rows(part)
    kept = [row for row in rows if row["time"] >= before]
    if len(kept) < len(rows):
        _rewrite(lake, part, kept, lake.put_bodies)
    return len(rows) - len(kept)


def _trim_rows(lake: Lake, part: Part, days_of: DaysOf, now: float, anchors: Anchors) -> int:
    rows = lake.rows(part)
    old = [_is_old(row, days_of, now) for row in rows]
    if not any(old):
        return 0
    stones = [_tombstone(run, now) for run in _runs(row for row, gone in zip(rows, old, strict=True) if gone)]
    anchors.tell_deleted(part.writer, stones)
    lake.put_tombstones(deleted_path(part, int(now * 1000)), stones)
    _rewrite(lake, part, [row for row, gone in zip(rows, old, strict=True) if not gone], lake.put_rows)
    return sum(old)


def _is_old(row: dict[str, Any], days_of: DaysOf, now: float) -> bool:
    before = _before(days_of(row["data_class"]), now)
    return before is not None and row["time"] < before


def _runs(rows: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Yield rows that follow one another together."""
    for _, run in groupby(enumerate(rows), key=lambda placed: placed[1]["seq"] - placed[0]):
        yield [row for _, row in run]


def _tombstone(run: list[dict[str, Any]], now: float) -> Tombstone:
    return Tombstone(
        writer=run[0]["writer"], first=run[0]["seq"], last=run[-1]["seq"], prev_hash=run[0]["prev_hash"],
        hash=run[-1]["hash"], deleted_at=utc_text(now), why="retention",
    )  # fmt: skip


def _rewrite(lake: Lake, part: Part, rows: list[dict[str, Any]], put: Callable[[str, Any], None]) -> None:
    if rows:
        put(part.path, rows)
    else:
        lake.remove(part.path)
