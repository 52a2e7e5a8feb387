"""The spool's tables on one screen, and how an older file becomes one of this program."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

from workbench.errors import IntegrityError
from workbench.gateway.ledger.row import COLUMNS, INTEGER, REAL

SCHEMA_VERSION = 3
BODY_COLUMNS = (
    "request_id", "writer", "seq", "time", "data_class", "salt",
    "request", "request_type", "request_cut", "response", "response_type", "response_cut",
)  # fmt: skip
"""Columns of kept bodies; those are packed by zlib."""
GROUPED = ("stage", "account", "owner", "use_case", "model", "provider", "deployment", "outcome")
"""What totals of pruned rows are told apart by, beside the day; not by key: one may last no longer than seconds."""
_TALLIES = {
    "calls": "COUNT(*)",
    "errors": "SUM(outcome != 'ok')",
    "input_tokens": "SUM(input_tokens)",
    "cached_input_tokens": "SUM(cached_input_tokens)",
    "cache_write_tokens": "SUM(cache_write_tokens)",
    "output_tokens": "SUM(output_tokens)",
    "reasoning_tokens": "SUM(reasoning_tokens)",
    "images": "SUM(images)",
    "audio_seconds": "SUM(audio_seconds)",
    "cost_usd": "SUM(cost_usd)",
    "calls_without_price": "SUM(cost_usd IS NULL)",
}
TALLIED = ", ".join(_TALLIES)
"""What totals tell."""
TALLY = ", ".join(f"{expression} AS {name}" for name, expression in _TALLIES.items())
"""The same, of rows."""
TALLY_AGAIN = ", ".join(f"SUM({name})" for name in _TALLIES)
"""The same, of totals."""
_ONE = {"calls": "1", "errors": "outcome != 'ok'", "calls_without_price": "cost_usd IS NULL"}
_GROUPED = ", ".join(GROUPED)
_BODY_TYPES = {"seq": "INTEGER", "request_cut": "INTEGER", "response_cut": "INTEGER",
               "salt": "BLOB", "request": "BLOB", "response": "BLOB"}  # fmt: skip
_SECOND = f"""
    CREATE TABLE bodies ({", ".join(f"{name} {_BODY_TYPES.get(name, 'TEXT')}" for name in BODY_COLUMNS)});
    CREATE UNIQUE INDEX bodies_request ON bodies (request_id);
    CREATE INDEX bodies_place ON bodies (writer, seq);
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE shipped (writer TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE pruned (writer TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE totals (day TEXT NOT NULL, {", ".join(f"{name} TEXT" for name in GROUPED)},
        {", ".join(f"{name} {'REAL' if name in REAL else 'INTEGER'}" for name in _TALLIES)});
    CREATE INDEX totals_key ON totals (account, day)
"""
_THIRD = f"""
    CREATE INDEX calls_account ON calls (account);
    CREATE INDEX calls_explored ON calls (owner) WHERE data_class = 'exploration' AND tags IS NOT NULL;
    DROP VIEW IF EXISTS counted;
    CREATE VIEW counted AS
        SELECT time, request_id, {_GROUPED}, {", ".join(f"{_ONE.get(name, name)} AS {name}" for name in _TALLIES)}
        FROM calls
        UNION ALL SELECT day || 'T00:00:00.000Z', NULL, {_GROUPED}, {TALLIED} FROM totals
"""  # noqa: S608 - our own names


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or those that an older file lacks; raises IntegrityError for a newer one's."""
    found = _version(connection)
    if found > SCHEMA_VERSION:
        raise IntegrityError(
            f"The ledger {path} has schema {found}; this program knows up to {SCHEMA_VERSION}.",
            hint="A newer workbench has written it: upgrade this one, or use another WORKBENCH_HOME.",
            code="newer_schema",
        )
    if found == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _upgrade(connection, _version(connection))  # another process may have been the first
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def spool_id(connection: sqlite3.Connection) -> str:
    """Return what tells a spool from those of other homes that ship to the same lake."""
    return str(connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()[0])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _upgrade(connection: sqlite3.Connection, found: int) -> None:
    if found < 1:
        columns = ", ".join(f"{name} {_type(name)}" for name in COLUMNS)
        connection.execute(f"CREATE TABLE calls ({columns})")
        connection.execute("CREATE UNIQUE INDEX calls_request ON calls (request_id)")
    if found < SCHEMA_VERSION:
        present = {row["name"] for row in connection.execute("PRAGMA table_info(calls)")}
        for name in COLUMNS:
            if name not in present:
                connection.execute(f"ALTER TABLE calls ADD COLUMN {name} {_type(name)}")
        if found < 2:
            _run(connection, _SECOND)
            connection.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(4),))
            connection.execute("INSERT INTO meta VALUES ('bodies_noted', '')")  # no body was ever deleted
        else:
            connection.execute("DROP VIEW counted")
            connection.execute("ALTER TABLE totals RENAME COLUMN key_id TO account")
        connection.execute("DROP INDEX IF EXISTS calls_key")
        connection.execute("UPDATE calls SET account = key_id WHERE account IS NULL")
        _run(connection, _THIRD)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        connection.execute(statement)


def _type(name: str) -> str:
    return "REAL" if name in REAL else "INTEGER" if name in INTEGER else "TEXT"
