"""What calls used and cost, by group; sums are of whole picodollars, so that they agree with the ledger exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.gateway.ledger.row import RESERVED_CAPACITY
from workbench.gateway.reports.question import Question, condition, expression

if TYPE_CHECKING:
    import duckdb

PICO = 10**12
COST = f"CAST(COALESCE(SUM(CAST(ROUND(cost_usd * {PICO}) AS HUGEINT)), 0) AS VARCHAR)"
"""Picodollars, as text: more than a whole number of any other tool may hold."""
A_CALL = f"path <> '{RESERVED_CAPACITY}'"
"""What tells a call from the hours of reserved capacity that are booked beside them."""
_SUMS = {
    "calls": f"COUNT(*) FILTER ({A_CALL})",
    "errors": "COUNT(*) FILTER (outcome <> 'ok')",
    **{
        name: f"CAST(COALESCE(SUM({name}), 0) AS BIGINT)"
        for name in ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
                     "images")
    },
    "audio_seconds": "COALESCE(SUM(audio_seconds), 0.0)",
    "cost_usd": COST,
    "calls_without_price": "COUNT(*) FILTER (cost_usd IS NULL)",
}  # fmt: skip


def usage(connection: duckdb.DuckDBPyConnection, asked: Question) -> dict[str, Any]:
    """Return a row for each group, the dearest first, the sum of all, and whether there are more groups."""
    where, values = condition(asked)
    sums = ", ".join(f"{text} AS {name}" for name, text in _SUMS.items())
    total = records(connection.execute(f"SELECT {sums} FROM calls WHERE {where}", values))[0]  # noqa: S608 - our words
    if not asked.group_by:
        return {"data": [total], "total": total, "more": False}
    groups = ", ".join(f'{expression(name)} AS "{name}"' for name in asked.group_by)
    numbers = ", ".join(str(place + 1) for place in range(len(asked.group_by)))
    rows = records(
        connection.execute(
            f"""SELECT {groups}, {sums} FROM calls WHERE {where} GROUP BY {numbers}
                ORDER BY SUM(cost_usd) DESC NULLS LAST, COUNT(*) DESC, {numbers} LIMIT {asked.limit + 1}""",  # noqa: S608
            values,
        )
    )
    return {"data": rows[: asked.limit], "total": total, "more": len(rows) > asked.limit}


def records(cursor: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return rows by name of column; money in US dollars."""
    names = [column[0] for column in cursor.description or ()]
    return [
        {name: int(value) / PICO if name.endswith("_usd") and isinstance(value, str) else value
         for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]  # fmt: skip
