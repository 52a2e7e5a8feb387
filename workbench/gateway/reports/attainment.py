"""Service-level attainment: which share of a use case's online calls was answered, and answered in time.

Calls that the gateway refused, that the provider refused for what they asked, or whose client left say nothing of the
service and do not count; nor does batch work, for which nobody waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.gateway.reports.asked import Target, Targets
from workbench.gateway.reports.question import Question, condition
from workbench.gateway.reports.usage import records

if TYPE_CHECKING:
    import duckdb

_COUNTED = """outcome IN ('ok', 'failed', 'unknown') AND priority IS DISTINCT FROM 'batch'
    AND NOT (outcome = 'failed' AND status BETWEEN 400 AND 499 AND status NOT IN (408, 429))"""
_QUERY = """
    SELECT calls.use_case AS use_case, COUNT(*) AS calls,
           COUNT(*) FILTER (outcome = 'ok') AS answered,
           COUNT(*) FILTER (outcome = 'ok' AND CASE WHEN stream = 1
                THEN COALESCE(calls.first_token_ms, calls.latency_ms) <= COALESCE(own.first_token_ms, ?)
                ELSE calls.latency_ms <= COALESCE(own.latency_ms, ?) END) AS in_time,
           quantile_cont(calls.latency_ms, 0.5) FILTER (outcome = 'ok' AND stream = 0) AS latency_ms_p50,
           quantile_cont(calls.latency_ms, 0.95) FILTER (outcome = 'ok' AND stream = 0) AS latency_ms_p95,
           quantile_cont(calls.first_token_ms, 0.5) FILTER (outcome = 'ok') AS first_token_ms_p50,
           quantile_cont(calls.first_token_ms, 0.95) FILTER (outcome = 'ok') AS first_token_ms_p95
    FROM calls LEFT JOIN own ON calls.use_case = own.use_case
    WHERE {counted} AND {asked} AND NOT list_contains(?, COALESCE(calls.use_case, ''))
    GROUP BY 1 ORDER BY calls DESC, 1
"""


def attainment(connection: duckdb.DuckDBPyConnection, asked: Question, targets: Targets | None) -> dict[str, Any]:
    """Return a row for each use case, None for calls without one; `met` tells whether it got what was promised."""
    assert targets is not None
    connection.execute("CREATE TEMP TABLE own (use_case VARCHAR, latency_ms DOUBLE, first_token_ms DOUBLE)")
    for name, target in targets.own.items():
        connection.execute("INSERT INTO own VALUES (?, ?, ?)", [name, target.latency_ms, target.first_token_ms])
    where, values = condition(asked)
    where = where.replace("use_case =", "calls.use_case =")
    default = targets.default
    found = records(
        connection.execute(
            _QUERY.format(counted=_COUNTED, asked=where),
            [default.first_token_ms, default.latency_ms, *values, list(targets.batch)],
        )
    )
    return {"data": [_told(row, targets.own.get(row["use_case"] or "", default)) for row in found]}


def _told(row: dict[str, Any], target: Target) -> dict[str, Any]:
    success, attained = row["answered"] / row["calls"], row["in_time"] / row["calls"]
    return {
        **row,
        "success": success,
        "attainment": attained,
        "target_latency_ms": target.latency_ms,
        "target_first_token_ms": target.first_token_ms,
        "target_success": target.success,
        "target_attainment": target.attainment,
        "met": success >= target.success and attained >= target.attainment,
    }
