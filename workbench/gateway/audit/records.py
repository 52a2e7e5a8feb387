"""Find recorded calls and their kept bodies, wherever they are: in the spool, or in the lake.

In the lake are those that have left the spool, and what other gateways have shipped that share it.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.gateway.audit.lake import Lake, Part
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import COLUMNS
from workbench.gateway.ledger.schema import spool_id
from workbench.gateway.times import utc_text

_COLUMNS = ", ".join(COLUMNS)
_NEVER = "9"
"""Later than any time, as the ledger writes them."""
_OURS = re.compile(r"req_([0-9a-f]{12})[0-9a-f]+")
"""A request id: it begins with milliseconds."""
_MARGIN = 60.0
"""Seconds that the time of a row may be from that of its id."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The kept bodies of a call."""

    request: bytes
    """What the caller sent, redacted."""
    request_type: str
    """Its content type."""
    response: bytes
    """What the caller got."""
    response_type: str
    """Its content type."""
    cut: bool
    """Whether one of them was longer than what is kept."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is told of them."""
        return {
            "request": {"content_type": self.request_type, "body": self.request.decode("utf-8", "replace")},
            "response": {"content_type": self.response_type, "body": self.response.decode("utf-8", "replace")},
            "cut": self.cut,
        }


class Records:
    """The record of one gateway's home, and of the lake that it may share. Every function blocks."""

    def __init__(self, spool: Path, lake_url: str) -> None:
        self._spool = spool
        self._lake_url = lake_url
        self._at: dict[str, Part] = {}

    def rows(self, *, since: str, until: str | None) -> Iterator[dict[str, Any]]:
        """Yield rows of calls that came at or after a time, and before another; in no order."""
        with closing(connect(self._spool)) as connection:
            id_ = spool_id(connection)
            pruned = {f"{w}-{id_}": seq for w, seq in connection.execute("SELECT writer, seq FROM pruned")}
            query = f"SELECT {_COLUMNS} FROM calls WHERE time >= ? AND time < ?"  # noqa: S608 - our own names
            for row in connection.execute(query, (since, until or _NEVER)):
                yield dict(row)
        yield from self._lake_rows(id_, pruned, since, until)

    def row(self, request_id: str) -> dict[str, Any] | None:
        """Return the row of a call."""
        with closing(connect(self._spool)) as connection:
            query = f"SELECT {_COLUMNS} FROM calls WHERE request_id = ?"  # noqa: S608 - our own names
            row = connection.execute(query, (request_id,)).fetchone()
        if row is not None:
            return dict(row)
        since, until = _around(request_id)
        return next((found for found in self.rows(since=since, until=until) if found["request_id"] == request_id), None)

    def bodies(self, rows: Sequence[dict[str, Any]]) -> dict[str, Kept]:
        """Return the kept bodies of some rows that were found here, by request id."""
        found: dict[str, Kept] = {}
        elsewhere: dict[Part, set[str]] = defaultdict(set)
        with closing(connect(self._spool)) as connection:
            for row in rows:
                request_id = row["request_id"]
                query = "SELECT * FROM bodies WHERE request_id = ?"
                body = connection.execute(query, (request_id,)).fetchone()
                if body is not None:
                    found[request_id] = _unpacked(body)
                elif request_id in self._at:
                    elsewhere[self._at[request_id]].add(request_id)
        if elsewhere:
            found.update(self._lake_bodies(elsewhere))
        return found

    def _lake_rows(self, spool: str, pruned: dict[str, int], since: str, until: str | None) -> Iterator[dict[str, Any]]:
        if "://" not in self._lake_url and not Path(self._lake_url).is_dir():
            return
        lake = Lake(self._lake_url)
        for part in lake.parts():
            own = part.writer.rpartition("-")[2] == spool
            if (own and part.writer not in pruned) or part.date < since[:10] or part.date > (until or _NEVER)[:10]:
                continue
            for row in lake.rows(part):
                if (
                    (not own or row["seq"] <= pruned[part.writer])
                    and row["time"] >= since
                    and (until is None or row["time"] < until)
                ):
                    self._at[row["request_id"]] = part
                    yield row

    def _lake_bodies(self, wanted: dict[Part, set[str]]) -> dict[str, Kept]:
        lake = Lake(self._lake_url)
        found = {}
        places = {(part.writer, part.first, part.date): ids for part, ids in wanted.items()}
        for part in lake.bodies():
            ids = places.get((part.writer, part.first, part.date))
            for row in lake.rows(part) if ids else ():
                if row["request_id"] in (ids or ()):
                    found[row["request_id"]] = _unpacked(row)
        return found


def _around(request_id: str) -> tuple[str, str | None]:
    """Return a time behind and one ahead of a call's, by its id."""
    found = _OURS.fullmatch(request_id)
    if found is None:
        return "", None
    at = int(found[1], 16) / 1000
    return utc_text(at - _MARGIN), utc_text(at + _MARGIN)


def _unpacked(row: sqlite3.Row | dict[str, Any]) -> Kept:
    return Kept(
        request=zlib.decompress(row["request"]), request_type=row["request_type"],
        response=zlib.decompress(row["response"]), response_type=row["response_type"],
        cut=bool(row["request_cut"] or row["response_cut"]),
    )  # fmt: skip
