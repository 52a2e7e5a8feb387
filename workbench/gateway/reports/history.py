"""All calls of the ledger as one table: those of the lake, and those that only the spool has. The door to DuckDB.

A row that stands in both counts once, by writer and number; gateways that share a lake have writers of their own.
Memory is bounded: what does not fit goes to a folder that is removed at the end.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import MissingComponent
from workbench.gateway.audit.lake import Lake

if TYPE_CHECKING:
    import duckdb

_TEXT = (
    "time", "stage", "key_id", "owner", "use_case", "priority", "path", "model", "deployment", "region", "provider",
    "outcome", "error_code", "tags", "request_id",
)  # fmt: skip
_INTEGER = (
    "stream", "status", "attempts", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "images", "seq",
)  # fmt: skip
_REAL = ("audio_seconds", "cost_usd", "latency_ms", "first_token_ms")
_COLUMNS = dict.fromkeys(_TEXT, "VARCHAR") | dict.fromkeys(_INTEGER, "BIGINT") | dict.fromkeys(_REAL, "DOUBLE")
_PLACE = "place"
"""Column that names a writer as the lake does: with its spool."""
_AT_ONCE = 20_000
_MEMORY = "512MB"
_BUSY_SECONDS = 5.0


@contextlib.contextmanager
def opened(
    spool: Path, lake: str, *, since: str | None = None, until: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB whose view `calls` holds the calls of a time; raises MissingComponent. Blocks."""
    try:
        import duckdb  # noqa: PLC0415 - in a child process, with the first question
    except ImportError as error:
        raise MissingComponent("Reports need the package duckdb.", hint="pip install duckdb") from error
    with tempfile.TemporaryDirectory(prefix="workbench-report-") as folder:
        connection = duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2, "temp_directory": folder})
        try:
            _take_spool(connection, spool, since=since, until=until)
            _see_all(connection, _files(lake, Path(folder), since=since, until=until), since=since, until=until)
            yield connection
        finally:
            connection.close()


def _take_spool(connection: duckdb.DuckDBPyConnection, spool: Path, *, since: str | None, until: str | None) -> None:
    import pyarrow as pa  # noqa: PLC0415

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}
    schema = pa.schema([*((name, kinds[kind]) for name, kind in _COLUMNS.items()), (_PLACE, pa.string())])

    def batches() -> Iterator[Any]:
        for rows in _rows(spool, since=since, until=until):
            columns = zip(*rows, strict=True)
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
            )

    connection.register("coming", pa.RecordBatchReader.from_batches(schema, batches()))
    connection.execute("CREATE TEMP TABLE spool AS SELECT * FROM coming")
    connection.unregister("coming")


def _rows(spool: Path, *, since: str | None, until: str | None) -> Iterator[list[tuple[Any, ...]]]:
    if not spool.exists():
        return
    # DuckDB asks for the rows from a thread of its own.
    source = sqlite3.connect(
        f"{spool.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, check_same_thread=False
    )
    try:
        conditions, values = _within(since, until)
        place = "writer || '-' || (SELECT value FROM meta WHERE name = 'id')"
        query = f"SELECT {', '.join(_COLUMNS)}, {place} FROM calls WHERE {conditions}"  # noqa: S608 - our own words
        cursor = source.execute(query, values)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows
    finally:
        source.close()


def _files(url: str, folder: Path, *, since: str | None, until: str | None) -> list[str]:
    """Return the files of the lake that hold rows of a time; those of another store are fetched into a folder."""
    here = "://" not in url
    if here and not Path(url).is_dir():
        return []
    lake = Lake(url)
    first, last = (since or "")[:10], (until or "9")[:10]
    parts = [part for part in lake.parts() if first <= part.date <= last]
    if here:
        return [f"{url}/{part.path}" for part in parts]
    for part in parts:
        (folder / part.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / part.path).write_bytes(lake.get(part.path))
    return [str(folder / part.path) for part in parts]


def _see_all(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], *, since: str | None, until: str | None
) -> None:
    if not files:
        connection.execute("CREATE TEMP VIEW calls AS SELECT * FROM spool")
        return
    named = ", ".join(f"'{_quoted(file)}'" for file in files)
    source = f"read_parquet([{named}], hive_partitioning = false, union_by_name = true, filename = true)"
    present = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
    columns = ", ".join(
        f"CAST({name if name in present else 'NULL'} AS {kind}) AS {name}" for name, kind in _COLUMNS.items()
    )
    conditions, values = _within(since, until)
    for value in values:  # times as the ledger writes them, which we made
        conditions = conditions.replace("?", f"'{_quoted(value)}'", 1)
    connection.execute(
        f"""CREATE TEMP VIEW calls AS SELECT * FROM spool UNION ALL
            SELECT shipped.* FROM (
                SELECT {columns}, regexp_extract(filename, 'writer=([^/]+)/[^/]+$', 1) AS {_PLACE}
                FROM {source} WHERE {conditions}
            ) AS shipped ANTI JOIN spool USING ({_PLACE}, seq)"""  # noqa: S608 - our own words
    )


def _within(since: str | None, until: str | None) -> tuple[str, list[str]]:
    given = [("time >= ?", since), ("time < ?", until)]
    known = [(text, value) for text, value in given if value is not None]
    return " AND ".join(["true", *(text for text, _ in known)]), [value for _, value in known]


def _quoted(text: str) -> str:
    return text.replace("'", "''")
