"""Read the ledger: a key's own calls, what they used, and whose a call was. Each function blocks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable
from workbench.gateway.ledger.spool import connect

_USAGE = """
    SELECT model, COUNT(*) AS calls, SUM(outcome != 'ok') AS errors,
           COALESCE(SUM(input_tokens), 0) AS input_tokens, COALESCE(SUM(output_tokens), 0) AS output_tokens,
           SUM(cost_usd) AS cost_usd, SUM(cost_usd IS NULL) AS calls_without_price
    FROM calls WHERE key_id = ? GROUP BY model ORDER BY calls DESC
"""


class Reports:
    """Questions to the ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def calls(self, key_id: str, *, request_id: str | None, limit: int) -> list[dict[str, Any]]:
        """Return a key's rows, newest first."""
        where, values = "key_id = ?", [key_id]
        if request_id is not None:
            where, values = f"{where} AND request_id = ?", [*values, request_id]
        query = f"SELECT * FROM calls WHERE {where} ORDER BY time DESC, seq DESC LIMIT ?"  # noqa: S608 - our own words
        with self._reading() as connection:
            return [_row(row) for row in connection.execute(query, (*values, limit))]

    def usage(self, key_id: str) -> list[dict[str, Any]]:
        """Return what a key used, a row a model."""
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(_USAGE, (key_id,))]

    def owner_of(self, request_id: str) -> str | None:
        """Return whose call a request id names; None where there is no such call."""
        with self._reading() as connection:
            row = connection.execute("SELECT owner FROM calls WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else row["owner"]

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


def _row(row: sqlite3.Row) -> dict[str, Any]:
    fields = dict(row)
    fields["stream"] = None if fields["stream"] is None else bool(fields["stream"])
    fields["tags"] = json.loads(fields["tags"]) if fields["tags"] else {}
    return fields
