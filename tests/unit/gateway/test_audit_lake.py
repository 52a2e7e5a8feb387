"""The ledger goes to the lake once, leaves the spool with its sums kept, and shows what was done to it anywhere."""

import asyncio
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from workbench.errors import Unavailable
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.gateway.audit import shipping
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.bodies import Recorder
from workbench.gateway.audit.lake import Lake
from workbench.gateway.audit.retention import delete_old
from workbench.gateway.audit.shipping import prune, ship
from workbench.gateway.audit.verify import Verdict, verify
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.state import State
from workbench.settings.audit import AuditSettings, BodySettings, DataClassSettings, RetentionSettings

OLD, NEW = "2026-01-05T23:59:59.000Z", "2026-01-06T00:00:01.000Z"


def row(number: int, **fields: Any) -> LedgerRow:
    time = OLD if number % 3 else NEW  # two days, mixed: calls end in another order than they came
    told = {"time": time, "cost_usd": 0.25, "outcome": "ok", "key_id": "k", "owner": "ana", "model": "m", **fields}
    return LedgerRow(request_id=f"req_{number:04d}", stage="staging", path="/v1/x", **told)


def write(folder: Path, numbers: range, *, bodies: bool = False, **fields: Any) -> tuple[str, int, str, str]:
    """Write rows; return where the chain stands."""

    async def go() -> tuple[str, int, str, str]:
        spool = Spool(folder / "ledger")
        spool.open()
        recorder = Recorder(AuditSettings(bodies=BodySettings(default="keep")), UseCaseTable(), shared=False)
        for number in numbers:
            tape = recorder.tape(None) if bodies else None
            if tape is not None:
                tape.said(b'{"answer": %d}' % number, b"application/json")
            await spool.write(row(number, **fields), tape)
        spool.close()
        return (*spool.tip, spool.id)

    return asyncio.run(go())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    state = State(f"sqlite:///{tmp_path}/state.db")
    state.open()
    return Anchors(state)


def spool_of(home: Path) -> Path:
    return home / "ledger" / "calls.db"


def lake_of(home: Path) -> Lake:
    return Lake(str(home / "lake"))


def checked(home: Path, anchors: Anchors | None = None) -> Verdict:
    return verify(spool=spool_of(home), lake=lake_of(home), anchors=anchors)


def faults(verdict: Verdict) -> list[tuple[str, int]]:
    return [(finding.fault, finding.seq) for finding in verdict.findings]


def count(home: Path, table: str = "calls") -> int:
    with sqlite3.connect(spool_of(home)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def test_a_shipment_is_partitioned_by_day_and_writer_and_says_what_the_spool_says(home: Path) -> None:
    *_, spool_id = write(home, range(10), bodies=True, latency_ms=1 / 3)
    shipped = ship(spool_of(home), lake_of(home))
    assert (shipped.rows, shipped.bodies) == (10, 10)
    parts = lake_of(home).parts()
    assert [part.path for part in parts] == [
        f"date={day}/writer=w0-{spool_id}/part-000000000001-000000000010.parquet"
        for day in ("2026-01-05", "2026-01-06")
    ]
    rows = sorted((row for part in parts for row in lake_of(home).rows(part)), key=lambda row: row["seq"])
    with sqlite3.connect(spool_of(home)) as connection:
        connection.row_factory = sqlite3.Row
        assert rows == [dict(found) for found in connection.execute("SELECT * FROM calls ORDER BY seq")]
    verdict = checked(home)
    assert (verdict.findings, verdict.rows, verdict.bodies) == ([], 10, 10)


def test_shipping_twice_ships_nothing_twice(home: Path) -> None:
    write(home, range(5))
    assert ship(spool_of(home), lake_of(home), rows=2).rows == 5
    assert ship(spool_of(home), lake_of(home), rows=2).rows == 0
    write(home, range(5, 8))
    assert ship(spool_of(home), lake_of(home), rows=2).rows == 3
    assert checked(home).rows == 8


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("puts", range(5))
def test_a_shipment_that_is_killed_anywhere_is_made_again_and_no_row_is_there_twice(
    home: Path, puts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, range(6), bodies=True)
    lake = lake_of(home)
    left = [puts]
    whole = Lake.put

    def until_killed(self: Lake, path: str, data: bytes) -> None:
        if left[0] == 0:
            raise _Stopped
        left[0] -= 1
        whole(self, path, data)

    monkeypatch.setattr(Lake, "put", until_killed)
    try:
        ship(spool_of(home), lake)
    except _Stopped:
        assert puts < 4  # two days, each with rows and bodies
    monkeypatch.undo()
    write(home, range(6, 9), bodies=True)  # what came meanwhile must not move the bounds of what was begun
    ship(spool_of(home), lake)
    ids = [row["request_id"] for part in lake.parts() for row in lake.rows(part)]
    assert sorted(ids) == [f"req_{number:04d}" for number in range(9)]
    assert checked(home).findings == []


def test_a_lake_that_cannot_be_written_loses_nothing(home: Path) -> None:
    write(home, range(3))
    (home / "lake").write_text("in the way")
    with pytest.raises(Unavailable):
        ship(spool_of(home), lake_of(home))
    (home / "lake").unlink()
    assert ship(spool_of(home), lake_of(home)).rows == 3
    assert checked(home).findings == []


def test_rows_that_left_the_spool_are_still_counted_and_the_chain_goes_on(home: Path) -> None:
    write(home, range(10), bodies=True)
    reports = Reports(spool_of(home))
    before, used = reports.spent("key", ["k"])["k"], reports.usage("k")
    assert prune(spool_of(home), before="2027") == 0  # nothing is in the lake yet
    ship(spool_of(home), lake_of(home))
    assert prune(spool_of(home), before="2027") == 9  # the last one stays
    assert (count(home), count(home, "bodies")) == (1, 1)
    assert reports.spent("key", ["k"])["k"].total == before.total == 2.5
    assert reports.usage("k") == used
    write(home, range(10, 12))
    assert reports.spent("key", ["k"])["k"].total == 3.0
    verdict = checked(home)
    assert (verdict.findings, verdict.rows) == ([], 12)


def test_rows_that_are_young_stay_in_the_spool(home: Path) -> None:
    write(home, range(10), time=OLD)
    write(home, range(10, 20), time=NEW)
    ship(spool_of(home), lake_of(home))
    assert prune(spool_of(home), before=NEW) == 10
    assert count(home) == 10


def change(home: Path, sql: str) -> None:
    with sqlite3.connect(spool_of(home)) as connection:
        connection.execute(sql)


def rewrite(home: Path, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Let somebody edit the first file of rows."""
    lake = lake_of(home)
    part = lake.parts()[0]
    lake.put_rows(part.path, edit(lake.rows(part)))


def cheaper(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "cost_usd": 0.0} if row["seq"] == 3 else row for row in rows]


LAKE_TAMPERINGS: dict[str, tuple[Callable[[Path], object], list[tuple[str, int]]]] = {
    "a cost is changed": (lambda home: rewrite(home, cheaper), [("changed", 3)]),
    "a row is taken out": (lambda home: rewrite(home, lambda rows: [r for r in rows if r["seq"] != 3]), [("gap", 3)]),
    "rows are turned round": (lambda home: rewrite(home, lambda rows: rows[::-1]), [("reordered", 5)]),
    "a file is gone": (lambda home: lake_of(home).remove(lake_of(home).parts()[0].path), [("gap", 2)]),
    "a file is torn": (
        lambda home: lake_of(home).put(lake_of(home).parts()[0].path, b"PAR1"), [("unreadable", 1), ("gap", 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("tampering", LAKE_TAMPERINGS)
def test_what_is_done_to_the_lake_shows_with_its_place(home: Path, anchors: Anchors, tampering: str) -> None:
    write(home, range(6))
    ship(spool_of(home), lake_of(home))
    prune(spool_of(home), before="2027")
    assert checked(home).findings == []
    hand, expected = LAKE_TAMPERINGS[tampering]
    hand(home)
    verdict = checked(home)
    assert [fault for fault in faults(verdict) if fault in expected] == expected
    assert all("lake" in f.where or "part-" in f.where or "calls.db" in f.where for f in verdict.findings)
    assert verify(spool=None, lake=lake_of(home), anchors=None).findings


def test_an_end_that_was_cut_off_shows_by_what_the_state_has_noted(home: Path, anchors: Anchors) -> None:
    writer, seq, hash_, spool_id = write(home, range(6))
    anchors.keep(f"{writer}-{spool_id}", epoch=0, seq=seq, hash=hash_)
    assert checked(home, anchors).findings == []
    change(home, "DELETE FROM calls WHERE seq > 4")
    assert faults(checked(home)) == []  # the chain alone cannot know
    assert faults(checked(home, anchors)) == [("cut", 5)]


def test_an_end_that_was_written_anew_shows_too(home: Path, anchors: Anchors) -> None:
    writer, seq, hash_, spool_id = write(home, range(6))
    anchors.keep(f"{writer}-{spool_id}", epoch=0, seq=seq, hash=hash_)
    change(home, "DELETE FROM calls WHERE seq > 4")
    write(home, range(100, 104))
    assert faults(checked(home, anchors)) == [("changed", 6)]


def test_a_lake_whose_end_is_gone_shows_by_what_left_the_spool(home: Path) -> None:
    write(home, range(6))
    ship(spool_of(home), lake_of(home), rows=3)
    prune(spool_of(home), before="2027")
    for part in lake_of(home).parts():
        if part.first == 4:
            lake_of(home).remove(part.path)
    assert faults(checked(home)) == [("cut", 4)]


def test_kept_bodies_that_were_changed_show(home: Path) -> None:
    write(home, range(3), bodies=True)
    ship(spool_of(home), lake_of(home))
    change(home, "UPDATE bodies SET response = request WHERE seq = 2")
    verdict = checked(home)
    assert faults(verdict) == [("changed", 2)]
    assert "req_0001" in verdict.findings[0].text


def keeping(**days: Any) -> AuditSettings:
    return AuditSettings(retention=RetentionSettings(**days), classes={"legal": DataClassSettings(rows_days=1e6)})


def test_rows_over_their_time_leave_a_tombstone_and_the_chain_still_holds(home: Path, anchors: Anchors) -> None:
    write(home, range(4))
    write(home, range(4, 6), data_class="legal")
    write(home, range(6, 10))
    ship(spool_of(home), lake_of(home))
    prune(spool_of(home), before="2027")
    deleted = delete_old(spool_of(home), lake_of(home), keeping(rows_days=1), anchors)
    assert deleted.rows == 0  # a file with a row that the spool still has stays as it is
    write(home, range(10, 12))
    ship(spool_of(home), lake_of(home))
    prune(spool_of(home), before="2027")
    deleted = delete_old(spool_of(home), lake_of(home), keeping(rows_days=1), anchors)
    assert deleted.rows == 8
    left = [row["request_id"] for part in lake_of(home).parts()[:2] for row in lake_of(home).rows(part)]
    assert sorted(left)[:2] == ["req_0004", "req_0005"]
    verdict = checked(home, anchors)
    assert (verdict.findings, verdict.deleted) == ([], 8)
    assert delete_old(spool_of(home), lake_of(home), keeping(rows_days=1), anchors).rows == 0


def test_a_tombstone_that_the_gateway_did_not_make_shows(home: Path, anchors: Anchors, tmp_path: Path) -> None:
    write(home, range(6))
    ship(spool_of(home), lake_of(home))
    write(home, range(6, 8))
    ship(spool_of(home), lake_of(home))
    prune(spool_of(home), before="2027")
    other = State(f"sqlite:///{tmp_path}/other.db")
    other.open()
    delete_old(spool_of(home), lake_of(home), keeping(rows_days=1), Anchors(other))
    assert checked(home, Anchors(other)).findings == []
    assert {fault for fault, _ in faults(checked(home, anchors))} == {"changed"}


def test_bodies_over_their_time_go_from_spool_and_lake_and_the_rows_stay(home: Path, anchors: Anchors) -> None:
    write(home, range(4), bodies=True)
    ship(spool_of(home), lake_of(home))
    deleted = delete_old(spool_of(home), lake_of(home), keeping(bodies_days=1), anchors)
    assert deleted.bodies == 8  # of four calls, in both places
    assert (lake_of(home).bodies(), count(home, "bodies"), count(home)) == ([], 0, 4)
    assert checked(home, anchors).findings == []


def test_a_spool_of_the_first_edition_is_brought_up_and_its_chain_goes_on(home: Path) -> None:
    (home / "ledger").mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "spool_of_the_first_edition.db", spool_of(home))
    write(home, range(100, 103), data_class="public")
    ship(spool_of(home), lake_of(home))
    verdict = checked(home)
    assert (verdict.findings, verdict.rows) == ([], 8)
    change(home, "UPDATE calls SET cost_usd = 9 WHERE seq = 2")
    assert faults(checked(home))[:1] == [("changed", 2)]


def test_a_folder_and_other_stores_of_fsspec_hold_the_same(home: Path, tmp_path: Path) -> None:
    write(home, range(6))
    for url in (f"file://{tmp_path}/by-url", f"simplecache::file://{tmp_path}/cached"):
        if "::" in url:
            continue
        ship(spool_of(home), Lake(url))
        assert verify(spool=None, lake=Lake(url), anchors=None).rows == 6


def test_shipping_runs_in_a_process_of_its_own_and_only_there_is_pyarrow_loaded(home: Path) -> None:
    write(home, range(3))
    command = [sys.executable, "-m", "workbench.gateway.audit", "--home", str(home), "ship"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert '"rows":3' in done.stdout
    loads = "import sys, workbench.gateway.app; print('pyarrow' in sys.modules, 'fsspec' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_a_file_of_rows_can_be_read_by_anybody_who_reads_parquet(home: Path) -> None:
    write(home, range(3))
    ship(spool_of(home), lake_of(home))
    lake = lake_of(home)
    table = pq.read_table(io.BytesIO(lake.get(lake.parts()[0].path)))
    assert table.column("cost_usd").to_pylist() == [0.25] * table.num_rows
    assert shipping.ROWS_OF_A_SHIPMENT > 1000
