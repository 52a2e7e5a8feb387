"""Check that the ledger is what was written: each writer's rows follow one another, none changed, none missing."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import IntegrityError
from workbench.gateway.ledger.row import COLUMNS, GENESIS, chain_hash
from workbench.gateway.ledger.spool import connect


def verify(path: Path) -> int:
    """Return how many rows the spool holds; raises IntegrityError at the first that does not fit. Blocks."""
    connection = connect(path)
    try:
        expected: dict[str, tuple[int, str]] = {}
        count = 0
        columns = ", ".join(COLUMNS)
        for row in connection.execute(f"SELECT {columns} FROM calls ORDER BY writer, seq"):  # noqa: S608 - our own names
            values = tuple(row)
            writer = row["writer"]
            seq, prev_hash = expected.get(writer, (1, GENESIS))
            if row["seq"] != seq or row["prev_hash"] != prev_hash or chain_hash(values[:-1]) != row["hash"]:
                raise IntegrityError(
                    f"Ledger row {seq} of writer {writer} is not what was written.",
                    hint="Rows were changed or removed; compare with a backup.",
                )
            expected[writer] = (seq + 1, row["hash"])
            count += 1
    finally:
        connection.close()
    return count
