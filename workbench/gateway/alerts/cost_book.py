"""What each ledger tells of this day's and month's cost, in the state database: replicas alert on the sum. Blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from workbench.gateway.state import State, alert_costs_table

Place = tuple[str, str, str]
"""Kind of subject, its name, and the day or month."""
_COST = alert_costs_table.c


class CostBook:
    """The table of sums."""

    def __init__(self, state: State) -> None:
        self._state = state

    def share(self, ledger: str, sums: Mapping[Place, float], periods: Collection[str]) -> dict[Place, float]:
        """Note what changed in one ledger, forget all other periods, and return what all others' ledgers tell."""
        table = alert_costs_table
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(_COST.period.not_in(list(periods))))
            for (kind, name, period), usd in sums.items():
                place = {"ledger": ledger, "kind": kind, "name": name[:500], "period": period}
                mine = sa.and_(*(_COST[column] == value for column, value in place.items()))
                if not connection.execute(table.update().where(mine).values(usd=usd)).rowcount:
                    connection.execute(table.insert().values(**place, usd=usd))
            others = (
                sa.select(_COST.kind, _COST.name, _COST.period, sa.func.sum(_COST.usd))
                .where(_COST.ledger != ledger)
                .group_by(_COST.kind, _COST.name, _COST.period)
            )
            return {(kind, name, period): float(usd) for kind, name, period, usd in connection.execute(others)}
