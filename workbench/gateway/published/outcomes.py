"""Outcomes of a rollout: what applications said of the calls that its prompts made, by side and user. Blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from workbench.gateway.published.rollout import Rollout
from workbench.gateway.state import State, rollout_looks_table, rollout_outcomes_table
from workbench.gateway.times import utc_now

TAGS = {"rollout": 40, "arm": 100, "prompt_version": 20, "rollout_user": 16}
"""What a call that counts is tagged with, and how long that is at most."""


@dataclass(frozen=True)
class Outcomes:
    """One number a user, in the order in which the users were first heard of."""

    values: Mapping[str, list[float]]
    """By side."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Outcomes outside the bounds, by side."""


class StepOutcomes:
    """The outcomes of calls of one step of a rollout, as far as they were read."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.last = 0
        """Number of the last one that was read."""
        self.rows: dict[str, tuple[str, str, str, float]] = {}
        """Side, version, user and value by call, in the order in which they were said."""

    def take(self, rows: Iterable[sa.Row[Any]]) -> None:
        """Take what was said since; of a call, only the last word."""
        for row in rows:
            self.rows.pop(row.request_id, None)
            self.rows[row.request_id] = (row.arm, row.version, row.unit, row.value)
            self.last = row.seq

    def told(self) -> Outcomes:
        """Return of each user the first outcome, on the side it fell to."""
        versions = self.rollout.versions
        values: dict[str, list[float]] = {arm: [] for arm in versions}
        excluded = dict.fromkeys(versions, 0)
        seen: set[str] = set()
        low, high = self.rollout.plan.bounds
        for arm, version, unit, value in self.rows.values():
            if versions.get(arm) != version or unit in seen:
                continue
            if low <= value <= high:
                seen.add(unit)
                values[arm].append(value)
            else:
                excluded[arm] += 1
        return Outcomes(values, excluded)


def keep_outcome(connection: sa.Connection, call: Mapping[str, Any], value: object) -> None:
    """Keep what was said of a call where a rollout's prompt made it; a later word takes the place of the first."""
    tags = call["tags"]
    told = [tags.get(name) for name in TAGS]
    if not all(text and len(text) <= most for text, most in zip(told, TAGS.values(), strict=True)):
        return
    table = rollout_outcomes_table
    here = table.c.request_id == call["request_id"]
    connection.execute(table.delete().where(here))  # a later word comes under a new number
    if not isinstance(value, (bool, int, float)):
        return
    rollout, arm, version, unit = told
    connection.execute(
        table.insert().values(
            rollout=rollout, arm=arm, version=version, unit=unit,
            request_id=call["request_id"], value=float(value), called_at=call["time"],
        )
    )  # fmt: skip


class OutcomeBook:
    """The tables of outcomes and of what was last seen of each rollout."""

    def __init__(self, state: State) -> None:
        self._state = state

    def catch_up(self, step: StepOutcomes) -> None:
        """Read what was said of the step's calls since it was last read."""
        table = rollout_outcomes_table
        which = sa.and_(table.c.rollout == step.rollout.id, table.c.called_at >= step.rollout.since["at"])
        query = sa.select(table).where(which).order_by(table.c.seq)
        with self._state.transaction() as connection:
            step.take(connection.execute(query.where(table.c.seq > step.last)))
            count = connection.execute(sa.select(sa.func.count()).select_from(table).where(which)).scalar_one()
            if count != len(step.rows):  # something was taken back
                step.rows.clear()
                step.take(connection.execute(query))

    def keep_look(self, rollout: str, look: Mapping[str, Any]) -> None:
        """Keep what was last seen of a rollout, for whoever asks how it stands."""
        table = rollout_looks_table
        told = {"at": utc_now(), "look": dict(look)}
        with self._state.transaction() as connection:
            if not connection.execute(table.update().where(table.c.rollout == rollout).values(**told)).rowcount:
                connection.execute(table.insert().values(rollout=rollout, **told))

    def last_look(self, rollout: str) -> dict[str, Any] | None:
        """Return what was last seen of a rollout, with its time; None where nobody has looked."""
        query = sa.select(rollout_looks_table).where(rollout_looks_table.c.rollout == rollout)
        with self._state.transaction() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else {**found["look"], "at": found["at"]}
