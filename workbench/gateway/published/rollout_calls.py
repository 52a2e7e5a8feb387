"""The calls that rollouts' prompts made at any gateway: each gateway copies its own from its ledger, as they come.

So whichever gateway steers sees the calls of all, and feedback is taken by whichever gateway it reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from workbench.gateway.published.outcomes import TAGS
from workbench.gateway.published.rollout import Rollout
from workbench.gateway.state import ROLLOUT_CALLS, State, rollout_calls_table

_AT_ONCE = 500


class RolloutCalls:
    """The table of these calls. Each method blocks."""

    def __init__(self, state: State) -> None:
        self._state = state

    def keep(self, calls: Iterable[Mapping[str, Any]], rollouts: Iterable[Rollout], *, ledger: str) -> None:
        """Keep calls of a ledger whose tags fit one of these rollouts; what is kept already stays."""
        versions = {each.id: each.versions for each in rollouts}
        fitting = [row for call in calls if (row := _row(call, versions)) is not None]
        table = rollout_calls_table
        for start in range(0, len(fitting), _AT_ONCE):
            some = {row["request_id"]: row for row in fitting[start : start + _AT_ONCE]}
            with self._state.transaction(tells=ROLLOUT_CALLS) as connection:  # one at a time: seen in their order
                kept = connection.execute(sa.select(table.c.request_id).where(table.c.request_id.in_(some))).scalars()
                for request_id in kept.all():
                    del some[request_id]
                if some:
                    connection.execute(table.insert(), [{"ledger": ledger, **row} for row in some.values()])

    def of_step(self, rollout: Rollout, *, after: int, most: int) -> list[dict[str, Any]]:
        """Return the calls of a rollout's step that were kept after number `after`, in their order."""
        table = rollout_calls_table.c
        query = (
            sa.select(table.seq, table.arm, table.failed, table.latency_ms, table.cost_usd)
            .where(table.rollout == rollout.id, table.seq > after, table.called_at >= rollout.since["at"])
            .order_by(table.seq)
            .limit(most)
        )
        with self._state.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def call(self, request_id: str) -> dict[str, Any] | None:
        """Return whose a call was, when, and its tags of a rollout; None where none is kept."""
        table = rollout_calls_table
        with self._state.transaction() as connection:
            row = connection.execute(sa.select(table).where(table.c.request_id == request_id)).mappings().first()
        if row is None:
            return None
        tags = {"rollout": row["rollout"], "arm": row["arm"], "prompt_version": row["version"]}
        return {
            "request_id": request_id,
            "owner": row["owner"],
            "time": row["called_at"],
            "tags": {**tags, "rollout_user": row["unit"]},
        }

    def of_version(
        self, version: int, rollouts: Sequence[str], *, since: str, until: str | None, but: str, most: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return calls of a version within rollouts that other ledgers than `but` hold, and how many there are.

        They are told by time: with `until` the last `most`, else the first.
        """
        table = rollout_calls_table.c
        which = [table.rollout.in_(rollouts), table.version == str(version), table.ledger != but]
        which += [table.called_at >= since, *([] if until is None else [table.called_at < until])]
        order = table.called_at.asc() if until is None else table.called_at.desc()
        told = (table.request_id, table.called_at.label("time"), table.failed, table.latency_ms, table.cost_usd)
        with self._state.transaction() as connection:
            count = connection.execute(sa.select(sa.func.count()).where(*which)).scalar_one()
            rows = connection.execute(sa.select(*told).where(*which).order_by(order).limit(most)).mappings()
            return [dict(row) for row in rows], count

    def prune(self, *, before: str, but: Iterable[Rollout]) -> None:
        """Delete what was called before a time, but for rollouts that go on."""
        table = rollout_calls_table
        old = sa.and_(table.c.called_at < before, table.c.rollout.not_in([each.id for each in but]))
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(old))


def _row(call: Mapping[str, Any], versions: Mapping[str, Mapping[str, str]]) -> dict[str, Any] | None:
    """Return a call as it is kept, None for one whose tags fit no rollout: callers may send any."""
    tags = call["tags"]
    rollout, arm, version, unit = (tags.get(name) for name in TAGS)
    fits = (arm, version) in versions.get(rollout, {}).items()
    if not fits or not unit or len(unit) > TAGS["rollout_user"]:
        return None
    return {
        **{name: call[name] for name in ("request_id", "owner", "failed", "latency_ms", "cost_usd")},
        "rollout": rollout,
        "arm": arm,
        "version": version,
        "unit": unit,
        "called_at": call["time"],
    }
