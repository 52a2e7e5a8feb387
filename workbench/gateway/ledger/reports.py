"""Read the ledger: calls, what they used and cost, and whose a call was. Each function blocks."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import SUBJECT_COLUMNS
from workbench.gateway.times import utc_text

_USAGE = """
    SELECT model, SUM(calls) AS calls, SUM(errors) AS errors,
           COALESCE(SUM(input_tokens), 0) AS input_tokens, COALESCE(SUM(output_tokens), 0) AS output_tokens,
           SUM(cost_usd) AS cost_usd, SUM(calls_without_price) AS calls_without_price
    FROM counted WHERE account = ? GROUP BY model ORDER BY SUM(calls) DESC
"""


_SPENT = """
    SELECT {column} AS name, COALESCE(SUM(cost_usd), 0.0) AS total,
           COALESCE(SUM(CASE WHEN time >= :today THEN cost_usd END), 0.0) AS day,
           COALESCE(SUM(CASE WHEN time >= :month THEN cost_usd END), 0.0) AS month,
           SUM(CASE WHEN time >= :today AND outcome != 'refused' THEN calls ELSE 0 END) AS requests_day,
           SUM(CASE WHEN time >= :today THEN COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) ELSE 0 END)
               AS tokens_day
    FROM counted WHERE time < :before AND {which} GROUP BY {column}
"""
_JUDGED = """
    request_id, owner, time, tags, outcome NOT IN ('ok', 'client_left') AS failed,
    CASE WHEN outcome IN ('ok', 'client_left') THEN latency_ms END AS latency_ms,
    CASE WHEN outcome IN ('ok', 'client_left') THEN cost_usd END AS cost_usd
"""
"""What is told of a call by which a prompt is judged."""
_SAYS_SOMETHING = "outcome != 'unknown' AND NOT (outcome = 'refused' AND status = 429)"
"""Which calls a prompt is judged by: that a limit or a budget was reached says nothing of it."""
_AT_ONCE = 500
"""Keys of one question: SQLite takes so many values."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls are meant; None: all."""

    since: str | None = None
    """Not before that time, as the ledger writes it."""
    until: str | None = None
    """Before that time."""
    use_case: str | None = None
    model: str | None = None
    request_id: str | None = None
    key_id: str | None = None
    owner: str | None = None
    account: str | None = None
    """Of that line of keys."""
    explorer: str | None = None
    """Tagged exploration calls of that owner."""
    tags: tuple[tuple[str, str], ...] = ()
    """With all these tags."""

    def sql(self) -> tuple[str, list[str]]:
        """Return the condition and its values."""
        names = ("use_case", "model", "request_id", "key_id", "owner", "account")
        given = [(f"{name} = ?", [value]) for name in names if (value := getattr(self, name)) is not None]
        if self.explorer is not None:  # in the words of the index `calls_explored`
            given.append(("owner = ? AND data_class = 'exploration' AND tags IS NOT NULL", [self.explorer]))
        if self.since is not None:
            given.append(("time >= ?", [self.since]))
        if self.until is not None:
            given.append(("time < ?", [self.until]))
        given += [("json_extract(tags, ?) = ?", [f'$."{name}"', value]) for name, value in self.tags]
        return " AND ".join(["1", *(condition for condition, _ in given)]), [v for _, values in given for v in values]

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row, as it is told, is one of them."""
        names = ("use_case", "model", "request_id", "key_id", "owner", "account")
        explored = row["owner"] == self.explorer and row["data_class"] == "exploration" and row["tags"]
        return (
            all(getattr(self, name) in (None, row[name]) for name in names)
            and (self.explorer is None or bool(explored))
            and (self.since or "") <= row["time"] < (self.until or "9")
            and all(row["tags"].get(name) == value for name, value in self.tags)
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a subject of limits has used so far."""

    total: float = 0.0
    """US dollars in all."""
    day: float = 0.0
    """US dollars of today, UTC."""
    month: float = 0.0
    """US dollars of this month, UTC."""
    requests_day: int = 0
    """Calls of today."""
    tokens_day: int = 0
    """Tokens of today."""
    at: float | None = None
    """When that was, in seconds since the epoch; None: now."""


class Reports:
    """Questions to the ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def usage(self, account: str) -> list[dict[str, Any]]:
        """Return what a line of keys used, a row a model."""
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(_USAGE, (account,))]

    def page(self, which: Filter, *, limit: int, before: int | None) -> tuple[list[dict[str, Any]], int | None]:
        """Return calls, newest first, and where the next page begins.

        The order is that in which they were written: a page never shows a row twice, nor skips one.
        """
        where, values = which.sql()
        if before is not None:
            where = f"{where} AND rowid < {int(before)}"
        query = f"SELECT rowid AS place, * FROM calls WHERE {where} ORDER BY rowid DESC LIMIT ?"  # noqa: S608 - our own words
        with self._reading() as connection:
            rows = connection.execute(query, (*values, limit + 1)).fetchall()
        data = [as_told(row) for row in rows[:limit]]
        places = [fields.pop("place") for fields in data]
        return data, places[-1] if len(rows) > limit else None

    def spent(self, kind: str, names: Iterable[str] | None = None, *, before: str | None = None) -> dict[str, Spent]:
        """Return what subjects of a kind have used: a key, use_case, user, model or provider; None: all there are.

        One that made no call is not among them. `before` leaves out what came from then on.
        """
        at = time.time()
        today = utc_text(at)[:10]
        column = SUBJECT_COLUMNS[kind]
        found: dict[str, Spent] = {}
        with self._reading() as connection:
            for which, values in _some(column, names):
                query = _SPENT.format(column=column, which=which)
                times = {"today": today, "month": today[:7], "before": before or "9"}
                for row in connection.execute(query, {**times, **values}):
                    found[row["name"]] = Spent(
                        total=row["total"], day=row["day"], month=row["month"],
                        requests_day=row["requests_day"], tokens_day=row["tokens_day"], at=at,
                    )  # fmt: skip
        return found

    def has(self, request_id: str) -> bool:
        """Tell whether there is a row of that id."""
        with self._reading() as connection:
            return connection.execute("SELECT 1 FROM calls WHERE request_id = ?", (request_id,)).fetchone() is not None

    def call(self, request_id: str) -> dict[str, Any] | None:
        """Return the row of a request id; None where there is no such call."""
        with self._reading() as connection:
            row = connection.execute("SELECT * FROM calls WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else as_told(row)

    def judged(self, which: Filter, *, most: int, newest: bool = False) -> tuple[list[dict[str, Any]], int]:
        """Return calls by which a prompt can be judged, oldest first, and how many there are.

        Of more than `most` they are the first, or with `newest` the last.
        """
        where, values = which.sql()
        where = f"FROM calls WHERE {where} AND {_SAYS_SOMETHING}"
        order = "DESC" if newest else "ASC"
        with self._reading() as connection:
            count = int(connection.execute(f"SELECT COUNT(*) {where}", values).fetchone()[0])
            found = connection.execute(f"SELECT {_JUDGED} {where} ORDER BY rowid {order} LIMIT ?", (*values, most))
            rows = [_judged(row) for row in found]
        return rows[::-1] if newest else rows, count

    def rollout_calls(self, *, since: str, after: int, most: int) -> tuple[list[dict[str, Any]], int]:
        """Return calls of any rollout by which it can be judged, in the order of the ledger, and where to go on.

        `after` is where the last question ended, 0 for the first one.
        """
        where = f"rowid <= ? AND time >= ? AND json_extract(tags, '$.rollout') IS NOT NULL AND {_SAYS_SOMETHING}"
        query = f"SELECT rowid AS place, {_JUDGED} FROM calls WHERE rowid > ? AND {where} ORDER BY rowid LIMIT ?"  # noqa: S608 - our own words
        with self._reading() as connection:
            last = int(connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM calls").fetchone()[0])
            rows = [_judged(row) for row in connection.execute(query, (after, last, since, most))]
        return rows, rows[-1]["place"] if len(rows) == most else last

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = connect(self._path)
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Unavailable(
                f"The ledger can't be read: {error}.", hint="Try again.", code="ledger_unavailable"
            ) from error


def _some(column: str, names: Iterable[str] | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield conditions that together name all of them, each with its values."""
    if names is None:
        yield f"{column} IS NOT NULL", {}
        return
    all_ = list(names)
    for start in range(0, len(all_), _AT_ONCE):
        values = {f"n{number}": name for number, name in enumerate(all_[start : start + _AT_ONCE])}
        yield f"{column} IN ({', '.join(f':{place}' for place in values)})", values


def as_told(row: Mapping[str, Any] | sqlite3.Row) -> dict[str, Any]:
    """Return a row as it is told over HTTP."""
    fields = dict(row)
    fields["stream"] = None if fields["stream"] is None else bool(fields["stream"])
    fields["tags"] = json.loads(fields["tags"]) if fields["tags"] else {}
    return fields


def _judged(row: sqlite3.Row) -> dict[str, Any]:
    fields = dict(row)
    return {**fields, "failed": bool(fields["failed"]), "tags": json.loads(fields["tags"])}
