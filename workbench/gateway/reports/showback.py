"""Showback: what each use case cost in a time, its share of the reserved capacity, and what that share is worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.gateway.reports.asked import Pool
from workbench.gateway.reports.question import Question, condition
from workbench.gateway.reports.usage import A_CALL, COST, records

if TYPE_CHECKING:
    import duckdb

_QUERY = """
    SELECT use_case, COUNT(*) AS calls, CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT) AS input_tokens,
           CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) AS output_tokens, {cost} AS cost_usd
    FROM calls WHERE {asked} AND path <> '/reserved-capacity' GROUP BY 1 ORDER BY SUM(cost_usd) DESC NULLS LAST, 1
"""
"""What is reserved is shared below, by use: the rows that book its hours are not counted once more."""
_RESERVED = """
    SELECT use_case, deployment, CAST(SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0)) AS BIGINT) AS tokens
    FROM calls WHERE list_contains(?, deployment) GROUP BY 1, 2
"""


def showback(connection: duckdb.DuckDBPyConnection, asked: Question, pools: Sequence[Pool]) -> dict[str, Any]:
    """Return a row for each use case, and one (`idle`) for what of the reservations nobody used.

    A pool's cost is shared by the tokens that each had of what it could have given; the hours that were booked for it
    stand in the ledger under nobody's name, and are not counted once more.
    """
    where, values = condition(asked)
    rows = records(connection.execute(_QUERY.format(cost=COST, asked=where, a_call=A_CALL), values))
    labels = [pool.deployment for pool in pools]
    used = records(connection.execute(_RESERVED, [labels]))
    assert asked.since is not None
    assert asked.until is not None
    first = connection.execute("SELECT MIN(time) FROM calls").fetchone()
    began = first[0] if first and first[0] else asked.until
    reserved: dict[str | None, dict[str, float]] = {}
    idle = 0.0
    for pool in pools:
        hours = max(0.0, hours_between(max(asked.since, pool.since or began), asked.until))
        tokens = {row["use_case"]: row["tokens"] for row in used if row["deployment"] == pool.deployment}
        whole = max((pool.tokens_per_minute or 0) * 60 * hours, sum(tokens.values()))
        cost = (pool.usd_per_hour or 0.0) * hours
        for use_case, count in tokens.items():
            share = reserved.setdefault(use_case, {"tokens": 0, "usd": 0.0})
            share["tokens"] += count
            share["usd"] += cost * count / whole if whole else 0.0
        idle += cost * (1 - sum(tokens.values()) / whole) if whole else cost
    on_pools = sum(share["tokens"] for share in reserved.values())
    spent = sum(row["cost_usd"] for row in rows)
    data = []
    for row in rows:
        share = reserved.get(row["use_case"], {"tokens": 0, "usd": 0.0})
        data.append(
            {
                **row,
                "share_of_cost": row["cost_usd"] / spent if spent else 0.0,
                "reserved_tokens": int(share["tokens"]),
                "share_of_reserved": share["tokens"] / on_pools if on_pools else 0.0,
                "reserved_usd": round(share["usd"], 6),
                "total_usd": round(row["cost_usd"] + share["usd"], 6),
            }
        )
    data.sort(key=lambda row: -row["total_usd"])
    return {"data": data, "idle_usd": round(idle, 6), "since": asked.since, "until": asked.until}


def hours_between(since: str, until: str) -> float:
    """Return the hours from one time of the ledger to another."""
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds() / 3600
