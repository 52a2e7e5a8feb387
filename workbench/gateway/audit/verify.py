"""Is the whole record what was written? Lake and spool are read together, as one chain for each writer.

What is told: rows changed, missing, out of order; an end that was cut off, by what the state database noted; kept
bodies that are not those of their row; tombstones that the gateway did not make.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.bodies import fits
from workbench.gateway.audit.lake import Lake, Part, by_shipment
from workbench.gateway.ledger.chain import ChainCheck, Finding, Tombstone, spool_rows, starts_of
from workbench.gateway.ledger.row import GENESIS
from workbench.gateway.ledger.spool import connect


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
    *, spool: Path | None, lake: Lake | None, anchors: Anchors | None, progress: Callable[[int], object] | None = None
) -> Verdict:
    """Read everything and return what was found; `progress` is told how many more rows were read. Blocks."""
    return _Reading(spool, lake, anchors, progress or (lambda _count: None)).run()


class _Reading:
    def __init__(
        self, spool: Path | None, lake: Lake | None, anchors: Anchors | None, progress: Callable[[int], object]
    ) -> None:
        self._spool, self._lake, self._progress = spool, lake, progress
        self._verdict = Verdict()
        self._seen: dict[tuple[str, int], str] = {}
        """Hashes of rows that something else tells of."""
        meta = _meta_of(spool) if spool is not None else {}
        self._id = meta.get("id", "")
        self._closed = {f"{writer}-{self._id}" for writer in json.loads(meta.get("restored", "{}"))}
        """Chains that the spool holds no end of: it was restored from a backup."""
        self._anchors = [] if anchors is None else [a for a in anchors.all() if self._is_own(a.writer)]
        self._known_deleted = None if anchors is None or spool is None else anchors.deleted()
        self._starts = {f"{w}-{self._id}": at for w, at in starts_of(spool).items()} if spool is not None else {}
        self._wanted = {(anchor.writer, anchor.seq) for anchor in self._anchors}
        self._wanted |= {(writer, seq) for writer, (seq, _) in self._starts.items()}
        self._buried: set[tuple[str, int]] = set()

    def run(self) -> Verdict:
        ends = self._read_lake() if self._lake is not None else {}
        if self._spool is not None:
            self._read_spool(ends)
        self._verdict.writers = dict(sorted((check.writer, check.seq) for check in ends.values()))
        for anchor in self._anchors:
            self._compare(anchor.writer, anchor.seq, anchor.hash, anchor.at, ends)
        return self._verdict

    def _is_own(self, writer: str) -> bool:
        return bool(self._id) and writer.endswith(f"-{self._id}")

    def _tell(self, findings: Iterable[Finding]) -> None:
        self._verdict.findings += findings

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
            for part in bodies.get((writer, first), ()):
                self._check_bodies(writer, self._body_rows(part), refs, part.path)
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

    def _read_spool(self, ends: dict[str, ChainCheck]) -> None:
        assert self._spool is not None
        where = str(self._spool)
        shipped = {writer: check.seq for writer, check in ends.items()}
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
        self._read_spools_bodies(where)

    def _read_spools_bodies(self, where: str) -> None:
        assert self._spool is not None
        query = "SELECT bodies.*, calls.body_ref FROM bodies LEFT JOIN calls USING (request_id)"
        with closing(connect(self._spool)) as connection:
            for row in connection.execute(query):
                refs = {row["request_id"]: row["body_ref"]}
                self._check_bodies(f"{row['writer']}-{self._id}", [dict(row)], refs, where)

    # -- both --------------------------------------------------------------------------------------------------------

    def _note(self, writer: str, row: dict[str, Any]) -> None:
        if (writer, row["seq"]) in self._wanted:
            self._seen[writer, row["seq"]] = row["hash"]

    def _check_bodies(
        self, writer: str, rows: Iterable[dict[str, Any]], refs: dict[str, str | None], where: str
    ) -> None:
        for row in rows:
            self._verdict.bodies += 1
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
