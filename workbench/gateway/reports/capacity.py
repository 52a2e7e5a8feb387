"""Utilisation of reserved capacity, and what to do about it: what could move there, what could be given back.

What could move is counted minute by minute: a pool takes of a minute's on-demand tokens only what it had room for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.gateway.reports.asked import Pool, Route
from workbench.gateway.reports.question import Question
from workbench.gateway.reports.showback import hours_between
from workbench.gateway.reports.usage import PICO, records

if TYPE_CHECKING:
    import duckdb

IDLE = 0.3
"""A pool that is used less than this is called idle."""
FULL = 0.9
"""A pool that is used more than this is called full."""
_ROOM = 1.2
"""What a smaller reservation would have above the busiest minute."""
_HOURS_A_MONTH = 730
_TABLES = f"""
    CREATE TEMP TABLE minutes AS
    SELECT deployment, model, use_case, substr(time, 1, 16) AS minute,
           SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0)) AS tokens,
           SUM(CAST(ROUND(cost_usd * {PICO}) AS HUGEINT)) AS cost
    FROM calls WHERE deployment IS NOT NULL GROUP BY ALL
"""  # noqa: S608 - our own words
_POOL = """
    SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens, CAST(COALESCE(MAX(tokens), 0) AS BIGINT) AS busiest
    FROM (SELECT minute, SUM(tokens) AS tokens FROM minutes WHERE deployment = ? GROUP BY 1)
"""
_MOVABLE = """
    WITH pool AS (SELECT minute, SUM(tokens) AS tokens FROM minutes WHERE deployment = ? GROUP BY 1),
         paid AS (SELECT model, minute, SUM(tokens) AS tokens, SUM(cost) AS cost FROM minutes
                  WHERE list_contains(?, model) AND NOT list_contains(?, deployment) AND tokens > 0 GROUP BY 1, 2),
         room AS (SELECT paid.*, GREATEST(0, ? - COALESCE(pool.tokens, 0)) AS room,
                         SUM(paid.tokens) OVER (PARTITION BY paid.minute) AS wanted
                  FROM paid LEFT JOIN pool USING (minute))
    SELECT model, CAST(SUM(tokens * LEAST(1.0, room / wanted)) AS BIGINT) AS tokens,
           CAST(CAST(ROUND(SUM(cost * LEAST(1.0, room / wanted))) AS HUGEINT) AS VARCHAR) AS saved_usd
    FROM room GROUP BY 1 HAVING SUM(cost * LEAST(1.0, room / wanted)) > 0 ORDER BY SUM(cost) DESC
"""
_FIRST = "SELECT MIN(time) FROM calls"


def capacity(
    connection: duckdb.DuckDBPyConnection, asked: Question, pools: Sequence[Pool], routes: Sequence[Route]
) -> dict[str, Any]:
    """Return a row for each reserved deployment, the idlest first, with advice in words and dollars."""
    assert asked.since is not None
    assert asked.until is not None
    connection.execute(_TABLES)
    first = connection.execute(_FIRST).fetchone()
    since = max(asked.since, first[0]) if first and first[0] else asked.since
    labels = [pool.deployment for pool in pools]
    rows = []
    for pool in pools:
        hours = max(hours_between(max(since, pool.since or since), asked.until), 1 / 60)
        models = sorted({route.model for route in routes if route.pool == pool.deployment})
        used = records(connection.execute(_POOL, [pool.deployment]))[0]
        movable = (
            records(connection.execute(_MOVABLE, [pool.deployment, models, labels, pool.tokens_per_minute]))
            if pool.tokens_per_minute
            else []
        )
        rows.append(_row(pool, used, movable, hours))
    rows.sort(key=lambda row: (row["utilisation"] is None, row["utilisation"] or 0.0, row["deployment"]))
    return {"data": rows, "since": since, "until": asked.until, "hours": hours_between(since, asked.until)}


def _row(pool: Pool, used: dict[str, Any], movable: list[dict[str, Any]], hours: float) -> dict[str, Any]:
    limit = pool.tokens_per_minute
    utilisation = None if limit is None else used["tokens"] / (limit * 60 * hours)
    cost = None if pool.usd_per_hour is None else pool.usd_per_hour * hours
    idle = None if cost is None or utilisation is None else cost * max(0.0, 1 - utilisation)
    state = (
        "unknown" if utilisation is None else "idle" if utilisation < IDLE else "full" if utilisation > FULL else "used"
    )
    return {
        "deployment": pool.deployment,
        "state": state,
        "tokens_per_minute": limit,
        "tokens": used["tokens"],
        "utilisation": utilisation,
        "busiest_minute_tokens": used["busiest"],
        "usd": None if cost is None else round(cost, 6),
        "idle_usd": None if idle is None else round(idle, 6),
        "movable": movable,
        "movable_usd": round(sum(row["saved_usd"] for row in movable), 6),
        "advice": list(_advice(pool, state, used, movable, hours)),
    }


def _advice(pool: Pool, state: str, used: dict[str, Any], movable: list[dict[str, Any]], hours: float) -> list[str]:
    limit = pool.tokens_per_minute
    if limit is None:
        return [f"Give {pool.deployment} its tokens_per_minute: without it nobody can tell how much of it is used."]
    said = [
        f"Move {row['model']} to {pool.deployment}: {row['tokens']:,} tokens that were paid on demand had room there, "
        f"{_usd(row['saved_usd'])} in {hours:.0f} h, {_usd(row['saved_usd'] / hours * _HOURS_A_MONTH)} a month."
        for row in movable
    ]
    needed = int(used["busiest"] * _ROOM)
    if state == "idle" and not movable and needed < limit:
        worth = ""
        if pool.usd_per_hour is not None:
            worth = f", worth {_usd(pool.usd_per_hour * _HOURS_A_MONTH * (1 - needed / limit))} a month"
        said.append(
            f"Reserve less at {pool.deployment}: its busiest minute had {used['busiest']:,} of {limit:,} tokens; "
            f"{limit - needed:,} tokens a minute can be given back{worth}."
        )
    if state == "full":
        said.append(f"{pool.deployment} is full: what does not fit is paid on demand; reserving more may cost less.")
    return said


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD"
