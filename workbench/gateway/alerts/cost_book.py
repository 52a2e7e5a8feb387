"""What each ledger tells of this day's and month's cost, in the state database: replicas alert on the sum. Blocks."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from workbench.gateway.state import State, alert_costs_table

Place = tuple[str, str, str]
"""Kind of subject, its name, and the day or month."""
_PLACE = ("kind", "name", "period")
_COST = alert_costs_table.c


class CostBook:
    """The table of sums."""

    def __init__(self, state: State) -> None:
        self._state = state

    def share(self, ledger: str, sums: Mapping[Place, float], *, since: str) -> dict[Place, float]:
        """Make a ledger's rows what its sums are, and return what all others' ledgers tell.

        Anybody's rows of before the month `since` are forgotten: those of today may be another day's by another clock.
        """
        with self._state.transaction() as connection:
            connection.execute(alert_costs_table.delete().where(_COST.period < since))
            self._note(connection, ledger, sums)
            others = (
                sa.select(_COST.kind, _COST.name, _COST.period, sa.func.sum(_COST.usd))
                .where(_COST.ledger != ledger)
                .group_by(_COST.kind, _COST.name, _COST.period)
            )
            return {(kind, name, period): float(usd) for kind, name, period, usd in connection.execute(others)}

    def _note(self, connection: sa.Connection, ledger: str, sums: Mapping[Place, float]) -> None:
        """Write what differs, in two statements however much it is."""
        query = sa.select(_COST.kind, _COST.name, _COST.period, _COST.usd).where(_COST.ledger == ledger)
        known = {(kind, name, period): usd for kind, name, period, usd in connection.execute(query)}
        gone = [place for place in known if known[place] != sums.get(place)]
        new = [place for place in sums if known.get(place) != sums[place]]
        if gone:
            at: dict[str, sa.BindParameter[str]] = {column: sa.bindparam(f"at_{column}") for column in _PLACE}
            mine = sa.and_(_COST.ledger == ledger, *(_COST[column] == value for column, value in at.items()))
            rows = [{f"at_{column}": value for column, value in zip(_PLACE, place, strict=True)} for place in gone]
            connection.execute(alert_costs_table.delete().where(mine), rows)
        if new:
            rows = [{**dict(zip(_PLACE, place, strict=True)), "ledger": ledger} for place in new]
            connection.execute(
                alert_costs_table.insert(), [{**row, "usd": sums[place]} for row, place in zip(rows, new, strict=True)]
            )
