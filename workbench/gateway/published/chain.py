"""The hash chain under the published prompts: records are added and never changed, each holds the hash of the last.

A record that names no kind is a publication, as all were before there were others. What is in memory has been checked;
what stands in the database is checked at start, as far as it is new at each look, and whole when somebody asks.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.errors import Conflict, IntegrityError
from workbench.gateway.state import PROMPTS, State, published_table
from workbench.wire.prompt_hash import canonical_json, prompt_hash
from workbench.wire.record_chain import GENESIS, record_hash

PUBLISH = "publish"
"""The kind of a record that names none."""
Record = dict[str, Any]

_log = logging.getLogger("workbench.gateway.published")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: whoever keeps it elsewhere sees later that nothing before it was changed."""

    seq: int
    """Number of the last record; 0 for a chain without any."""
    record_hash: str
    """Its hash."""


class Chain:
    """The records, in memory and in the state database; one process writes at a time, whichever it is."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._writing = asyncio.Lock()
        self._records: tuple[Record, ...] = ()
        self._fault: IntegrityError | None = None
        self._told = self.head
        self.listeners: list[Callable[[], None]] = []
        """Called on the event loop after records have come in, from here or from another process."""

    @property
    def records(self) -> Sequence[Record]:
        """All records that were found whole, oldest first."""
        return self._records

    @property
    def fault(self) -> IntegrityError | None:
        """What is wrong with the database; None: nothing is known to be."""
        return self._fault

    @property
    def head(self) -> Head:
        """Where the chain ends."""
        last = self._records[-1] if self._records else None
        return Head(last["seq"], last["record_hash"]) if last else Head(0, GENESIS)

    def open(self) -> None:
        """Read and check the whole chain; of a broken one nothing is taken. Blocks."""
        self._records, self._fault = (), None
        try:
            with self._state.transaction() as connection:
                self._take(connection)
        except IntegrityError as error:
            self._fault = error
        self._told = self.head

    def verify(self) -> Head:
        """Read the whole database again and return its head. Blocks.

        Raises IntegrityError where a record is not what was written, or not what this process knows.
        """
        # Known before it is read: what comes in meanwhile is not missing there.
        known = {record["seq"]: record["record_hash"] for record in self._records}
        with self._state.transaction() as connection:
            head = Head(0, GENESIS)
            for row in connection.execute(sa.select(published_table).order_by(published_table.c.seq)):
                record = _checked(row, head)
                if record is None or known.get(head.seq + 1, row.record_hash) != row.record_hash:
                    raise self._broken(head.seq + 1)
                head = Head(record["seq"], record["record_hash"])
        if head.seq < len(known):
            raise self._broken(head.seq + 1)
        return head

    async def catch_up(self) -> None:
        """Take over what other processes have written; what is not whole is not taken, and told."""
        async with self._writing:
            try:
                await asyncio.to_thread(self._look)
            except IntegrityError as error:
                if self._fault is None:
                    _log.error("%s What was read before is served.", error)
                self._fault = error
            finally:
                self._tell()

    async def append(self, make: Callable[[], Mapping[str, Any]]) -> Record:
        """Add the record that `make` makes, once all others that there are have been taken over; return it.

        `make` may raise: it decides on what is known at that moment, in every process. Raises IntegrityError where the
        chain is broken.
        """
        async with self._writing:
            try:
                return await asyncio.to_thread(self._append, make)
            finally:
                self._tell()  # others' records have come in even where this one is refused

    def _look(self) -> None:
        with self._state.transaction() as connection:
            self._take(connection)

    def _append(self, make: Callable[[], Mapping[str, Any]]) -> Record:
        try:
            with self._state.transaction(tells=PROMPTS) as connection:  # one writer at a time from here on
                self._take(connection)
                head = self.head
                record: Record = {"seq": head.seq + 1, **make(), "prev_hash": head.record_hash}
                text = canonical_json(record).decode()
                row = {
                    "seq": record["seq"],
                    "name": record["name"],
                    "alias": record["alias"],
                    "record": text,
                    "prev_hash": record["prev_hash"],
                    "record_hash": record_hash(record),
                }
                connection.execute(published_table.insert().values(**row))
        except sa.exc.IntegrityError as error:
            raise Conflict(
                "Another gateway wrote at the same moment.", hint="Look at what it wrote, then try again."
            ) from error
        # As it will be read: what the maker holds may be changed later.
        kept: Record = {**json.loads(text), "record_hash": row["record_hash"]}
        self._records = (*self._records, kept)
        return kept

    def _take(self, connection: sa.Connection) -> None:
        """Take over the rows after the head, which must still be where it was."""
        head, new = self.head, []
        rows = sa.select(published_table).where(published_table.c.seq >= head.seq).order_by(published_table.c.seq)
        found = connection.execute(rows).all()
        if head.seq and (not found or (found[0].seq, found[0].record_hash) != (head.seq, head.record_hash)):
            raise self._broken(head.seq)
        for row in found[1:] if head.seq else found:
            record = _checked(row, head)
            if record is None:
                raise self._broken(head.seq + 1)
            head = Head(record["seq"], record["record_hash"])
            new.append(record)
        if new:
            self._records = (*self._records, *new)
        self._fault = None

    def _broken(self, seq: int) -> IntegrityError:
        return IntegrityError(
            f"Record {seq} of the published prompts is not what was written"
            + (": nothing new is taken." if self._records else "; none is served."),
            hint="The admin must restore the state database from a backup.",
        )

    def _tell(self) -> None:
        if self.head != self._told:
            self._told = self.head
            for listener in self.listeners:
                listener()


def kind_of(record: Mapping[str, Any]) -> str:
    """Return the kind of a record."""
    return str(record.get("kind", PUBLISH))


def _checked(row: Any, head: Head) -> Record | None:
    """Return a record with its hash; None if it is not what was written in its place."""
    try:
        record: Record = json.loads(row.record)
        place = (row.seq, record["seq"], record["prev_hash"], record["name"], record["alias"])
        whole = place == (head.seq + 1, head.seq + 1, head.record_hash, row.name, row.alias)
        whole = whole and record_hash(record) == row.record_hash
        if kind_of(record) == PUBLISH:
            said = (record["template"], record["parameters"], record["schema"], record.get("form"))
            whole = whole and prompt_hash(*said) == record["hash"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return {**record, "record_hash": row.record_hash} if whole else None
