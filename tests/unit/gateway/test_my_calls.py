"""Which rows of the ledger are one's own, page by page; a ledger of before there were accounts is brought up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from workbench.gateway.ledger.chain import verify
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.reports import Filter, Reports
from workbench.gateway.ledger.row import COLUMNS, GENESIS, LedgerRow, hash_of
from workbench.gateway.ledger.schema import migrate
from workbench.gateway.ledger.tags import read_tags
from workbench.wire.tags import write_tags


def put(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as a writer does."""
    values, before = [], GENESIS
    for number, fields in enumerate(rows, start=1):
        row = LedgerRow(
            request_id=f"req_{number}", time=f"2026-11-22T00:{number // 60 % 60:02}:{number % 60:02}.000Z",
            stage="staging", path="/v1/chat/completions", outcome="ok", cost_usd=0.001, **fields,
        )  # fmt: skip
        sealed = dict(zip(COLUMNS, row.seal(writer="w0", seq=number, prev_hash=before), strict=True))
        before = sealed["hash"] = hash_of(sealed)
        values.append(tuple(sealed.values()))
    with closing(connect(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", values
        )
        connection.execute("COMMIT")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "calls.db"
    with closing(connect(path, create=True)) as connection:
        migrate(connection, path)
    return path


def explored(owner: str, account: str, **tags: str) -> dict[str, Any]:
    told = read_tags(write_tags(tags).encode())
    return {"key_id": f"{account}_2", "account": account, "owner": owner, "data_class": "exploration", "tags": told}


def ids(which: Filter, ledger: Path) -> list[str]:
    return [row["request_id"] for row in Reports(ledger).page(which, limit=1000, before=None)[0]]


def test_a_notebooks_calls_are_found_across_the_lines_of_its_owner_and_of_nobody_else(ledger: Path) -> None:
    name = "Menü, 50% off/über 日本.ipynb"
    put(ledger, [
        explored("ana", "key_a", notebook=name, cell="1"),
        explored("ana", "key_b", notebook=name, cell="2"),
        explored("bob", "key_c", notebook=name, cell="1"),
        {**explored("ana", "key_p", notebook=name), "data_class": "internal", "use_case": "menus"},
        explored("ana", "key_a", notebook="other.ipynb"),
        explored("ana", "key_a"),
    ])  # fmt: skip
    mine = Filter(explorer="ana", tags=(("notebook", name),))
    assert ids(mine, ledger) == ["req_2", "req_1"]
    assert ids(Filter(explorer="ana", tags=(("notebook", name), ("cell", "2"))), ledger) == ["req_2"]
    assert ids(Filter(account="key_p", tags=(("notebook", name),)), ledger) == ["req_4"]
    assert ids(Filter(explorer="ana", tags=(("notebook", "%"),)), ledger) == []
    assert ids(Filter(account="key_a"), ledger) == ["req_6", "req_5", "req_1"]


def test_pages_show_each_row_once(ledger: Path) -> None:
    put(ledger, [explored("ana" if number % 3 else "bob", "key_a", n="x") for number in range(50)])
    seen, before = [], None
    while True:
        rows, before = Reports(ledger).page(Filter(explorer="ana", tags=(("n", "x"),)), limit=7, before=before)
        seen += [row["request_id"] for row in rows]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 33
    assert seen == sorted(seen, key=lambda one: -int(one.removeprefix("req_")))


def test_no_question_of_ones_own_reads_the_whole_ledger(ledger: Path) -> None:
    with closing(connect(ledger)) as connection:
        for which in (Filter(account="a"), Filter(explorer="ana", tags=(("n", "x"),)), Filter(request_id="r")):
            where, values = which.sql()
            query = f"EXPLAIN QUERY PLAN SELECT * FROM calls WHERE {where} ORDER BY rowid DESC LIMIT 100"
            told = " ".join(row["detail"] for row in connection.execute(query, values))
            assert "USING INDEX" in told, told
            assert "TEMP B-TREE" not in told, told


_BEFORE = (
    "DROP VIEW counted",
    "DROP INDEX calls_account",
    "DROP INDEX calls_explored",
    "ALTER TABLE calls DROP COLUMN account",
    "ALTER TABLE totals RENAME COLUMN account TO key_id",
    "CREATE VIEW counted AS SELECT key_id FROM calls UNION ALL SELECT key_id FROM totals",
    "CREATE INDEX calls_key ON calls (key_id, time)",
    "INSERT INTO totals (day, key_id, owner, calls, cost_usd) VALUES ('2026-10-01', 'key_b', 'ana', 3, 0.5)",
    "PRAGMA user_version = 2",
)
"""Makes a ledger what the one before it was."""


def test_a_ledger_of_before_there_were_accounts_keeps_its_chain_and_its_sums(ledger: Path) -> None:
    rows = [{"key_id": "key_b", "owner": "ana", "data_class": "exploration", "edition": 2} for _ in range(3)]
    put(ledger, rows)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        for statement in _BEFORE:
            connection.execute(statement)
    with closing(connect(ledger)) as connection:
        migrate(connection, ledger)
        migrate(connection, ledger)
    assert verify(ledger) == 3
    assert ids(Filter(account="key_b"), ledger) == ["req_3", "req_2", "req_1"]
    assert Reports(ledger).spent("key", ["key_b"])["key_b"].total == pytest.approx(0.503)
