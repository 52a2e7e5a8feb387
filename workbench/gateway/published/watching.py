"""What became of the calls that a published version made, beside those of what was live before it.

They are those of this gateway's ledger and, of calls within rollouts, those of all gateways on the state database. The
outcomes themselves are told, in the order in which they happened; what they say is computed by who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.gateway.ledger.reports import Filter
from workbench.gateway.published.chain import Record
from workbench.gateway.published.rollout import ROLLOUT
from workbench.gateway.state import State, feedback_table

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_MOST = 10_000
"""Calls of one version that are told: the first of what is live, the last of what was."""
_AT_ONCE = 500


def watched(gateway: Parts, reference: str) -> dict[str, Any]:
    """Return the outcomes of the calls of what is live, and of what was live before; raises NotFound. Blocks."""
    records = gateway.published.history(reference)
    live = records[0]
    earlier = next((record for record in records[1:] if record["hash"] != live["hash"]), None)
    return {
        "name": live["name"],
        "alias": live["alias"],
        "live": _outcomes(gateway, live, until=None),
        "before": None if earlier is None else _outcomes(gateway, earlier, until=live["published_at"]),
    }


def _outcomes(gateway: Parts, record: Record, *, until: str | None) -> dict[str, Any]:
    """Return the calls of a version while it was live under its alias, a column an outcome, oldest first."""
    name, alias, version, since = (record[key] for key in ("name", "alias", "version", "published_at"))
    tags = (("prompt", name), ("prompt_version", str(version)), ("prompt_alias", alias))
    rows, n = gateway.reports.judged(Filter(since=since, until=until, tags=tags), most=_MOST, newest=until is not None)
    rollouts = {each["body"]["rollout"] for each in gateway.published.of_kind(ROLLOUT, name=name, alias=alias)}
    others, n_others = gateway.rollout_calls.of_version(
        version, sorted(rollouts), since=since, until=until, but=gateway.spool.id, most=_MOST
    )
    told = sorted([*rows, *others], key=itemgetter("time"))
    kept = told[:_MOST] if until is None else told[-_MOST:]
    said = _said(gateway.state, [row["request_id"] for row in kept])
    return {
        **{key: record[key] for key in ("version", "hash", "seq", "published_at", "published_by")},
        "until": until,
        "calls": n + n_others,
        **{column: [row[column] for row in kept] for column in ("failed", "latency_ms", "cost_usd")},
        "feedback": [said.get(row["request_id"]) for row in kept],
    }


def _said(state: State, request_ids: Sequence[str]) -> dict[str, float]:
    """Return what applications said of calls, as far as it is a number."""
    found: dict[str, float] = {}
    table = feedback_table.c
    with state.transaction() as connection:
        for start in range(0, len(request_ids), _AT_ONCE):
            some = request_ids[start : start + _AT_ONCE]
            for request_id, value in connection.execute(
                sa.select(table.request_id, table.value).where(table.request_id.in_(some))
            ):
                if isinstance(value, bool | int | float):
                    found[request_id] = float(value)
    return found
