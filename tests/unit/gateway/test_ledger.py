"""The spool keeps every row, in a chain, and says when it can't."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from filelock import Timeout

from workbench.errors import IntegrityError, Unavailable
from workbench.gateway.ledger import file as file_room
from workbench.gateway.ledger import spool as spool_room
from workbench.gateway.ledger.chain import verify
from workbench.gateway.ledger.file import writer_lock
from workbench.gateway.ledger.reports import Filter, Reports
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.schema import SCHEMA_VERSION
from workbench.gateway.ledger.spool import Spool
from workbench.testing.simulator import wait_until


def row(number: int, **fields: object) -> LedgerRow:
    return LedgerRow(
        request_id=f"req_{number}", time="2026-11-22T00:00:00.000Z", stage="staging", path="/v1/x", **fields
    )  # type: ignore[arg-type]


async def opened(folder: Path) -> Spool:
    spool = Spool(folder)
    spool.open()
    return spool


async def test_a_written_row_is_there_for_another_process(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    await spool.write(row(1, outcome="ok", cost_usd=0.25, tags='{"a": "b"}', stream=1, key_id="k", owner="ana"))
    found, _ = Reports(spool.path).page(Filter(account="k", request_id="req_1"), limit=1, before=None)
    assert found[0]["cost_usd"] == 0.25
    assert found[0]["tags"] == {"a": "b"}
    assert found[0]["stream"] is True
    assert (Reports(spool.path).call("req_1") or {})["owner"] == "ana"
    assert Reports(spool.path).call("req_2") is None
    spool.close()


async def test_rows_of_many_calls_make_one_chain_that_goes_on_after_a_restart(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    await asyncio.gather(*(spool.write(row(n, latency_ms=n / 3)) for n in range(200)))
    spool.close()
    spool = await opened(tmp_path)
    await spool.write(row(200))
    spool.close()
    assert verify(spool.path) == 201


@pytest.mark.parametrize("tampering", [
    "UPDATE calls SET cost_usd = 0 WHERE seq = 2", "DELETE FROM calls WHERE seq = 2", "DELETE FROM calls WHERE seq = 1",
    "UPDATE calls SET request_id = 'x' WHERE seq = 3",
])  # fmt: skip
async def test_tampering_shows(tmp_path: Path, tampering: str) -> None:
    spool = await opened(tmp_path)
    for number in range(3):
        await spool.write(row(number, cost_usd=1.0))
    spool.close()
    with sqlite3.connect(spool.path) as connection:
        connection.execute(tampering)
    with pytest.raises(IntegrityError):
        verify(spool.path)


async def test_two_gateways_on_one_home_write_chains_of_their_own(tmp_path: Path) -> None:
    first, second = await opened(tmp_path), await opened(tmp_path)
    await asyncio.gather(*((first, second)[n % 2].write(row(n)) for n in range(20)))
    first.close()
    second.close()
    with sqlite3.connect(first.path) as connection:
        assert connection.execute("SELECT writer, MAX(seq) FROM calls GROUP BY writer").fetchall() == [
            ("w0", 10),
            ("w1", 10),
        ]
    assert verify(first.path) == 20


async def test_a_writer_of_a_restored_ledger_is_seen_to_live(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    spool.close()
    with sqlite3.connect(spool.path) as connection:
        connection.execute("INSERT INTO meta VALUES ('generation', '1')")
    spool = await opened(tmp_path)
    assert spool.writer == "w0g1"
    with pytest.raises(Timeout):
        writer_lock(tmp_path, spool.writer).acquire(blocking=False)
    spool.close()
    with writer_lock(tmp_path, spool.writer).acquire(blocking=False):
        pass


async def test_a_locked_ledger_refuses_calls_loses_nothing_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_room, "BUSY_SECONDS", 0.05)
    spool = await opened(tmp_path)
    await spool.write(row(0))
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        await spool.write(row(1))
    assert caught.value.error_code == "ledger_unavailable"
    with pytest.raises(Unavailable):
        spool.check()
    other.execute("ROLLBACK")

    def well() -> bool:
        try:
            spool.check()
        except Unavailable:
            return False
        return True

    await asyncio.to_thread(wait_until, well, "the ledger stayed unavailable")
    await spool.write(row(2))
    spool.close()
    assert verify(spool.path) == 3


async def test_the_event_loop_goes_on_while_the_ledger_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_room, "BUSY_SECONDS", 0.3)
    spool = await opened(tmp_path)
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(spool.write(row(1)))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    with pytest.raises(Unavailable):
        await writing
    other.execute("ROLLBACK")
    spool.close()
    assert verify(spool.path) == 1


async def test_a_row_that_no_column_takes_does_not_stop_the_others(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    with pytest.raises(Unavailable):
        await spool.write(row(1, input_tokens=2**80))
    await spool.write(row(2))
    spool.close()
    assert verify(spool.path) == 1


async def test_a_ledger_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    spool.close()
    with sqlite3.connect(spool.path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(IntegrityError, match="newer"):
        await opened(tmp_path)


async def test_rows_that_wait_for_the_ledger_are_bounded_and_those_of_answered_calls_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_room, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(spool_room, "_MOST_WAITING", 2)
    spool = await opened(tmp_path)
    other = sqlite3.connect(spool.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = ["refused", "refused", "refused", "ok", "refused"]
    told = await asyncio.gather(
        *(spool.write(row(n, outcome=outcome)) for n, outcome in enumerate(outcomes)), return_exceptions=True
    )
    assert all(isinstance(error, Unavailable) for error in told)
    other.execute("ROLLBACK")
    spool.close()
    with sqlite3.connect(spool.path) as connection:
        kept = [found for (found,) in connection.execute("SELECT request_id FROM calls ORDER BY seq")]
    assert len(kept) == 2
    assert "req_3" in kept
    assert verify(spool.path) == 2


async def test_a_row_that_is_there_already_does_not_stop_the_others(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    await spool.write(row(1))
    told = await asyncio.gather(spool.write(row(1)), spool.write(row(2)), return_exceptions=True)
    assert [type(error) for error in told] == [Unavailable, type(None)]
    spool.check()
    spool.close()
    assert verify(spool.path) == 2


async def test_nobody_waits_for_a_writer_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = await opened(tmp_path)

    def fail(*_: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(LedgerRow, "seal", fail)
    for number in range(2):
        with pytest.raises(Unavailable, match="MemoryError"):
            await spool.write(row(number))
    with pytest.raises(Unavailable):
        spool.check()
    spool.close()


async def test_a_file_that_is_no_ledger_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_text("no database at all, " * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await opened(tmp_path)
