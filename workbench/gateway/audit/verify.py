"""Is the whole record what was written? Lake and spool are read together, as one chain for each writer.

What is told: rows changed, missing, out of order; an end that was cut off, by what the state database noted; kept
bodies that are not those of their row, or gone before their time; tombstones that the gateway did not make; files that
are damaged.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable, WorkbenchError
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.bodies import fits
from workbench.gateway.audit.lake import Lake, Part, by_shipment
from workbench.gateway.audit.retention import BODIES_BEFORE, BODIES_NOTED
from workbench.gateway.ledger.chain import ChainCheck, Finding, Tombstone, spool_rows, starts_of
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import GENESIS

_PASSING = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip
"""Errors that say nothing of what stands in a file."""
_WITH_BODIES = "SELECT bodies.*, calls.body_ref FROM bodies LEFT JOIN calls USING (request_id)"
_WITHOUT_BODIES = (
    "SELECT calls.* FROM calls LEFT JOIN bodies USING (request_id) "
    "WHERE calls.body_ref LIKE 'keep:%' AND bodies.request_id IS NULL"
)


@dataclass
class Verdict:
    """What was found."""

    findings: list[Finding] = field(default_factory=list)
    """Places that are not what was written; none: all is well."""
    rows: int = 0
    """Rows that were read; one that is in the lake and in the spool counts once."""
    deleted: int = 0
    """Rows that tombstones stand for."""
    bodies: int = 0
    """Calls whose kept bodies were compared with their rows."""
    writers: dict[str, int] = field(default_factory=dict)
    """The last row of each chain."""


def verify(
    *,
    spool: Path | None,
    lake: Lake | None,
    anchors: Anchors | None,
    alone: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Verdict:
    """Read everything and return what was found. Blocks.

    `alone`: the state is of this ledger alone, so that whatever it has noted must be there. `progress` is told how many
    more rows were read.
    """
    return _Reading(spool, lake, anchors, progress or (lambda _count: None), alone=alone).run()


class _Reading:
    def __init__(
        self, spool: Path | None, lake: Lake | None, anchors: Anchors | None, progress: Callable[[int], object], *,
        alone: bool,
    ) -> None:  # fmt: skip
        self._spool, self._lake, self._progress = spool, lake, progress
        self._verdict = Verdict()
        self._seen: dict[tuple[str, int], str] = {}
        """Hashes of rows that something else tells of."""
        self._meta: dict[str, str] = {}
        self._id = ""
        self._closed: set[str] = set()
        """Chains that the spool holds no end of: it was restored from a backup."""
        starts: dict[str, tuple[int, str]] = {}
        if spool is not None:
            with self._readable(spool):
                self._meta = _meta_of(spool)
                self._id = self._meta.get("id", "")
                self._closed = {f"{writer}-{self._id}" for writer in json.loads(self._meta.get("restored", "{}"))}
                starts = starts_of(spool)
        noted = [] if anchors is None else anchors.all()
        self._anchors = noted if alone else [anchor for anchor in noted if self._is_own(anchor.writer)]
        self._known_deleted = None if anchors is None or spool is None else anchors.deleted()
        self._starts = {f"{writer}-{self._id}": at for writer, at in starts.items()}
        self._wanted = {(anchor.writer, anchor.seq) for anchor in self._anchors}
        self._wanted |= {(writer, seq) for writer, (seq, _) in self._starts.items()}
        self._buried: set[tuple[str, int]] = set()

    def run(self) -> Verdict:
        ends = self._read_lake() if self._lake is not None else {}
        if self._spool is not None:
            shipped = {writer: check.seq for writer, check in ends.items()}
            with self._readable(self._spool):
                self._read_spool(ends, shipped)
            with self._readable(self._spool):
                self._read_spools_bodies(shipped)
        self._verdict.writers = dict(sorted((check.writer, check.seq) for check in ends.values()))
        for anchor in self._anchors:
            self._compare(anchor.writer, anchor.seq, anchor.hash, anchor.at, ends)
        return self._verdict

    def _is_own(self, writer: str) -> bool:
        return bool(self._id) and writer.endswith(f"-{self._id}")

    def _tell(self, findings: Iterable[Finding]) -> None:
        self._verdict.findings += findings

    @contextmanager
    def _readable(self, spool: Path) -> Iterator[None]:
        """Tell where a spool is damaged; raises Unavailable where it can't be read now."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, TypeError, LookupError) as error:
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _PASSING:
                raise Unavailable(f"The ledger {spool} can't be read now ({error}).", hint="Try again.") from error
            finding = Finding("unreadable", self._id, 0, str(spool), f"The ledger's file is damaged: {error}.")
            if finding not in self._verdict.findings:
                self._tell([finding])

    def _must_be_kept(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row's bodies must still be there: retention notes what it deletes."""
        if BODIES_NOTED not in self._meta or not str(row["body_ref"] or "").startswith("keep:"):
            return False
        before = self._meta.get(f"{BODIES_BEFORE}{row['data_class'] or ''}", "")
        return bool(row["time"] >= max(before, self._meta[BODIES_NOTED]))

    def _missing(self, writer: str, row: Mapping[str, Any], where: str) -> Finding:
        text = f"Writer {writer}: the bodies kept of row {row['seq']} ({row['request_id']}) are gone before their time."
        return Finding("gap", writer, row["seq"], where, text)

    # -- the lake ----------------------------------------------------------------------------------------------------

    def _read_lake(self) -> dict[str, ChainCheck]:
        lake = self._lake
        assert lake is not None
        paths = lake.paths()
        stones: dict[str, list[tuple[Tombstone, str]]] = defaultdict(list)
        for part in lake.deleted(paths):
            try:
                stones[part.writer] += [(stone, part.path) for stone in lake.tombstones(part)]
            except WorkbenchError as error:
                self._tell([Finding("unreadable", part.writer, part.first, part.path, error.message)])
        for some in stones.values():
            some.sort(key=lambda one: one[0].first)
        bodies: dict[tuple[str, int], list[Part]] = defaultdict(list)
        for part in lake.bodies(paths):
            bodies[part.writer, part.first].append(part)
        ends = {writer: ChainCheck(writer) for writer in stones}
        for shipment in by_shipment(lake.parts(paths)):
            writer, first = shipment[0].writer, shipment[0].first
            check = ends.setdefault(writer, ChainCheck(writer))
            rows = self._rows_of(shipment)
            for row, path in rows:
                self._bury(check, stones[writer], before=row["seq"])
                self._tell(check.row(row, where=path))
                self._note(writer, row)
            refs = {row["request_id"]: row["body_ref"] for row, _ in rows}
            found: set[str] = set()
            for part in bodies.get((writer, first), ()):
                kept = self._body_rows(part)
                found |= {body["request_id"] for body in kept}
                self._check_bodies(writer, kept, refs, part.path)
            if self._is_own(writer):
                self._tell(
                    self._missing(writer, row, path)
                    for row, path in rows
                    if row["request_id"] not in found and self._must_be_kept(row)
                )
            self._verdict.rows += len(rows)
            self._progress(len(rows))
        for writer, check in ends.items():
            self._bury(check, stones[writer], before=None)
            self._verdict.deleted += check.deleted
        return ends

    def _rows_of(self, shipment: list[Part]) -> list[tuple[dict[str, Any], str]]:
        assert self._lake is not None
        rows: list[tuple[dict[str, Any], str]] = []
        for part in shipment:
            try:
                found = self._lake.rows(part)
            except WorkbenchError as error:
                self._tell([Finding("unreadable", part.writer, part.first, part.path, error.message)])
                continue
            seqs = [row["seq"] for row in found]
            for before, after in pairwise(seqs):
                if after <= before:
                    text = f"Writer {part.writer}: row {after} stands behind row {before}."
                    self._tell([Finding("reordered", part.writer, after, part.path, text)])
            rows += [(row, part.path) for row in found]
        rows.sort(key=lambda one: one[0]["seq"])
        return rows

    def _bury(self, check: ChainCheck, stones: list[tuple[Tombstone, str]], *, before: int | None) -> None:
        """Let tombstones stand for what is missing, up to a row; one whose rows are still there says nothing."""
        while stones and (before is None or stones[0][0].first < before):
            stone, path = stones.pop(0)
            if stone.last <= check.seq:
                continue
            self._tell(check.tombstone(stone, where=path))
            self._buried |= {(w, s) for w, s in self._wanted if w == check.writer and stone.first <= s < stone.last}
            self._seen[check.writer, stone.last] = stone.hash
            key = (check.writer, stone.first, stone.last)
            if self._known_deleted is not None and self._is_own(check.writer) and key not in self._known_deleted:
                text = f"Writer {check.writer}: rows {stone.first} to {stone.last} were not deleted by the gateway."
                self._tell([Finding("changed", check.writer, stone.first, path, text)])

    def _body_rows(self, part: Part) -> list[dict[str, Any]]:
        assert self._lake is not None
        try:
            return self._lake.rows(part)
        except WorkbenchError as error:
            self._tell([Finding("unreadable", part.writer, part.first, part.path, error.message)])
            return []

    # -- the spool ---------------------------------------------------------------------------------------------------

    def _read_spool(self, ends: dict[str, ChainCheck], shipped: Mapping[str, int]) -> None:
        assert self._spool is not None
        where = str(self._spool)
        checks: dict[str, ChainCheck] = {}
        for name, (seq, hash_) in self._starts.items():
            checks[name] = ChainCheck(name, seq=seq, hash=hash_)
            if self._lake is not None:
                self._compare(name, seq, hash_, None, ends)
        for row in spool_rows(self._spool):
            name = f"{row['writer']}-{self._id}"
            check = checks.setdefault(name, ChainCheck(name))
            self._tell(check.row(row, where=where))
            if row["seq"] == shipped.get(name) and row["hash"] != ends[name].hash:
                text = f"Writer {name}: row {row['seq']} is another one in the lake."
                self._tell([Finding("changed", name, row["seq"], where, text)])
            self._note(name, row)
            if row["seq"] > shipped.get(name, 0):
                self._verdict.rows += 1
                self._progress(1)
        for name, check in checks.items():
            if check.seq < shipped.get(name, 0) and name in self._closed:
                continue
            if check.seq < shipped.get(name, 0):
                first = check.seq + 1
                text = f"Writer {name}: the spool ends at row {check.seq}; the lake goes to row {shipped[name]}."
                self._tell([Finding("cut", name, first, where, text)])
            else:
                ends[name] = check

    def _read_spools_bodies(self, shipped: Mapping[str, int]) -> None:
        """Compare the bodies that stand in the spool, and look for those that should; a shipped call counts once."""
        assert self._spool is not None
        where = str(self._spool)
        with closing(connect(self._spool)) as connection:
            for row in connection.execute(_WITH_BODIES):
                writer, refs = f"{row['writer']}-{self._id}", {row["request_id"]: row["body_ref"]}
                self._check_bodies(writer, [dict(row)], refs, where, again=row["seq"] <= shipped.get(writer, 0))
            for row in connection.execute(_WITHOUT_BODIES):
                writer = f"{row['writer']}-{self._id}"
                if row["seq"] > shipped.get(writer, 0) and self._must_be_kept(row):
                    self._tell([self._missing(writer, row, where)])

    # -- both --------------------------------------------------------------------------------------------------------

    def _note(self, writer: str, row: dict[str, Any]) -> None:
        if (writer, row["seq"]) in self._wanted:
            self._seen[writer, row["seq"]] = row["hash"]

    def _check_bodies(
        self, writer: str, rows: Iterable[dict[str, Any]], refs: dict[str, str | None], where: str, *,
        again: bool = False,
    ) -> None:  # fmt: skip
        for row in rows:
            self._verdict.bodies += not again
            ref = refs.get(row["request_id"])
            try:
                good = ref is not None and fits(
                    ref, row["salt"], zlib.decompress(row["request"]), zlib.decompress(row["response"])
                )
            except zlib.error:
                good = False
            if not good and not (ref is None and row["request_id"] not in refs):
                text = f"Writer {writer}: the bodies kept of row {row['seq']} ({row['request_id']}) are not its own."
                self._tell([Finding("changed", writer, row["seq"], where, text)])

    def _compare(self, writer: str, seq: int, hash_: str, at: str | None, ends: dict[str, ChainCheck]) -> None:
        """Check that a chain holds a row that something else tells of."""
        if seq == 0 and hash_ == GENESIS:
            return
        found = ends[writer].seq if writer in ends else 0
        noted = "the spool says went to the lake" if at is None else f"the gateway had noted at {at}"
        where = self._lake.url if self._lake is not None and (at is None or self._spool is None) else str(self._spool)
        if found < seq:
            text = f"Writer {writer}: the chain ends at row {found}; {noted} that it had come to row {seq}."
            if at is None:
                text = f"Writer {writer}: the lake ends at row {found}; rows up to {seq} had left the spool for it."
            self._tell([Finding("cut", writer, found + 1, where, text)])
        elif (writer, seq) not in self._buried and self._seen.get((writer, seq)) != hash_:
            text = f"Writer {writer}: row {seq} is not the one that {noted}."
            self._tell([Finding("changed", writer, seq, where, text)])


def _meta_of(path: Path) -> dict[str, str]:
    with closing(connect(path)) as connection:
        return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def told(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield what was found, a line each, with the place."""
    for finding in findings:
        yield f"{finding.fault}: {finding.text} In {finding.where}."
