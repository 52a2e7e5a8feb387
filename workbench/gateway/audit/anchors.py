"""How far each chain has come, kept in the state database: a ledger that ends before that was cut.

Each function blocks. An anchor that its spool no longer reaches, after a power cut or a hand on the file, stays for
`workbench audit verify` to tell of; the next ones are of another epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from workbench.gateway.ledger.chain import Tombstone
from workbench.gateway.state import State, ledger_anchors_table, ledger_deletions_table
from workbench.gateway.times import utc_now


@dataclass(frozen=True, slots=True)
class Anchor:
    """A row that was durable at some time."""

    writer: str
    """Whose chain it is in, as the lake names it: `w0-1a2b3c4d`."""
    epoch: int
    """Counts how often the chain was found shorter than it had been."""
    seq: int
    """Its number."""
    hash: str
    """Its hash."""
    at: str
    """When that was noted, UTC."""


class Anchors:
    """Reads and writes the tables."""

    def __init__(self, state: State) -> None:
        self._state = state

    def all(self) -> list[Anchor]:
        """Return every anchor."""
        with self._state.transaction() as connection:
            return [Anchor(**row) for row in connection.execute(sa.select(ledger_anchors_table)).mappings()]

    def latest(self, writer: str) -> Anchor | None:
        """Return the last anchor of a writer."""
        table = ledger_anchors_table
        query = sa.select(table).where(table.c.writer == writer).order_by(table.c.epoch.desc()).limit(1)
        with self._state.transaction() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Anchor(**row)

    def keep(self, writer: str, *, epoch: int, seq: int, hash: str) -> None:  # noqa: A002 - the column's name
        """Note how far a chain has come."""
        table = ledger_anchors_table
        where = sa.and_(table.c.writer == writer, table.c.epoch == epoch)
        values = {"seq": seq, "hash": hash, "at": utc_now()}
        with self._state.transaction() as connection:
            if not connection.execute(table.update().where(where).values(**values)).rowcount:
                connection.execute(table.insert().values(writer=writer, epoch=epoch, **values))

    def tell_deleted(self, writer: str, stones: Iterable[Tombstone]) -> None:
        """Note which rows are about to be deleted; what is noted already stays."""
        table = ledger_deletions_table
        with self._state.transaction() as connection:
            known = set(connection.execute(sa.select(table.c.first).where(table.c.writer == writer)).scalars())
            for stone in stones:
                if stone.first not in known:
                    connection.execute(
                        table.insert().values(
                            writer=writer, first=stone.first, last=stone.last, at=stone.deleted_at, why=stone.why
                        )
                    )

    def deleted(self) -> set[tuple[str, int, int]]:
        """Return the writer, first and last row of everything that was deleted."""
        table = ledger_deletions_table
        with self._state.transaction() as connection:
            query = sa.select(table.c.writer, table.c.first, table.c.last)
            return {(row.writer, row.first, row.last) for row in connection.execute(query)}
