"""Is a chain what was written? Rows of one writer follow one another, none changed, none missing.

A chain is checked as it is read, in order; tombstones stand for rows that retention took out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import IntegrityError
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import COLUMNS, GENESIS, hash_of

Fault = Literal["changed", "gap", "reordered", "cut", "unreadable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a chain is not what was written."""

    fault: Fault
    """What is wrong: a row `changed`, a `gap` between rows, rows `reordered`, a `cut` end, a file `unreadable`."""
    writer: str
    """Whose chain it is."""
    seq: int
    """The first row that is concerned."""
    where: str
    """The file that it stands in, or should."""
    text: str
    """A sentence for people."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What stands for rows that were deleted: enough for the chain to go on."""

    writer: str
    """Whose rows they were."""
    first: int
    """The first of them."""
    last: int
    """The last of them."""
    prev_hash: str
    """`prev_hash` of the first."""
    hash: str
    """`hash` of the last."""
    deleted_at: str
    """When they were deleted, UTC."""
    why: str
    """The rule that they were deleted by."""


class ChainCheck:
    """Follows one writer's chain from its beginning, or from a row that is known."""

    def __init__(self, writer: str, *, seq: int = 0, hash: str = GENESIS) -> None:  # noqa: A002 - the column's name
        self.writer = writer
        self.seq = seq
        """The last row that was seen."""
        self.hash = hash
        """Its hash."""
        self.rows = 0
        """How many rows were seen."""
        self.deleted = 0
        """How many of them tombstones stand for."""

    def row(self, fields: Mapping[str, Any], *, where: str) -> Iterator[Finding]:
        """Yield what is wrong with the next row."""
        seq, hash_ = fields["seq"], fields["hash"]
        if seq <= self.seq:
            yield self._finding("reordered", seq, where, f"row {seq} stands behind row {self.seq}")
            return
        yield from self._gap(seq, where)
        self.rows += 1
        if hash_of(fields) != hash_:
            yield self._finding("changed", seq, where, f"row {seq} ({fields['request_id']}) is not what was written")
        elif seq == self.seq + 1 and fields["prev_hash"] != self.hash:
            yield self._finding("changed", seq, where, f"row {seq} does not follow row {self.seq}: one was replaced")
        self.seq, self.hash = seq, hash_

    def tombstone(self, stone: Tombstone, *, where: str) -> Iterator[Finding]:
        """Yield what is wrong with a tombstone."""
        yield from self._gap(stone.first, where)
        if stone.first == self.seq + 1 and stone.prev_hash != self.hash:
            yield self._finding(
                "changed", stone.first, where, f"the tombstone of rows {stone.first} to {stone.last} does not fit"
            )
        self.deleted += stone.last - stone.first + 1
        self.seq, self.hash = stone.last, stone.hash

    def _gap(self, seq: int, where: str) -> Iterator[Finding]:
        if seq > self.seq + 1:
            first, last = self.seq + 1, seq - 1
            told = f"row {first} is" if first == last else f"rows {first} to {last} are"
            yield self._finding("gap", first, where, f"{told} missing")

    def _finding(self, fault: Fault, seq: int, where: str, text: str) -> Finding:
        return Finding(fault, self.writer, seq, where, f"Writer {self.writer}: {text}.")


def spool_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a spool, in the order in which they were written. Blocks."""
    connection = connect(path)
    try:
        for row in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM calls ORDER BY rowid"):  # noqa: S608 - our own names
            yield dict(row)
    finally:
        connection.close()


def starts_of(path: Path) -> dict[str, tuple[int, str]]:
    """Return what of each writer's chain has left a spool for the lake: the last row's number and hash. Blocks."""
    connection = connect(path)
    try:
        return {row["writer"]: (row["seq"], row["hash"]) for row in connection.execute("SELECT * FROM pruned")}
    finally:
        connection.close()


def verify(path: Path) -> int:
    """Return how many rows a spool holds; raises IntegrityError at the first that does not fit. Blocks."""
    starts = starts_of(path)
    checks: dict[str, ChainCheck] = {}
    for fields in spool_rows(path):
        writer = fields["writer"]
        if writer not in checks:
            seq, hash_ = starts.get(writer, (0, GENESIS))
            checks[writer] = ChainCheck(writer, seq=seq, hash=hash_)
        for finding in checks[writer].row(fields, where=str(path)):
            raise IntegrityError(
                f"The ledger is not what was written. {finding.text}",
                hint="Rows were changed or removed; compare with a backup.",
            )
    return sum(check.rows for check in checks.values())
