"""Use cases on disk: what each is now, and the events that led there. Each function blocks; call it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from workbench.errors import Conflict, NotFound
from workbench.gateway.review.record import Event, Record
from workbench.gateway.review.states import State
from workbench.gateway.state import (
    USE_CASES,
    acknowledgements_table,
    keys_table,
    use_case_events_table,
    use_cases_table,
)
from workbench.gateway.state import State as Database

_TRIES = 5
Step = Callable[[Record], tuple[Record, Event]]
"""What happens to a record: it is asked again where somebody else was faster."""


class UseCaseStore:
    """The tables of review in the state database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: Record, event: Event) -> None:
        """Keep a new use case; raises Conflict where the name is taken."""
        try:
            with self._database.transaction() as connection:
                connection.execute(use_cases_table.insert().values(name=record.name, **_columns(record)))
                _append(connection, record.name, event)
        except sa.exc.IntegrityError as error:
            raise Conflict(
                f"There is a use case {record.name!r} already.", hint="Choose another name.", code="name_taken"
            ) from error

    def get(self, name: str) -> Record:
        """Return a use case; raises NotFound."""
        query = sa.select(use_cases_table.c.record).where(use_cases_table.c.name == name)
        with self._database.transaction() as connection:
            found = connection.execute(query).scalar_one_or_none()
        if found is None:
            raise unknown(name)
        return msgspec.convert(found, Record)

    def all(self, *, states: Sequence[State] | None = None, limit: int | None = None) -> list[Record]:
        """Return use cases, those that were changed last first."""
        query = sa.select(use_cases_table.c.record).order_by(use_cases_table.c.updated_at.desc()).limit(limit)
        if states is not None:
            query = query.where(use_cases_table.c.state.in_(states))
        with self._database.transaction() as connection:
            return [msgspec.convert(found, Record) for found in connection.execute(query).scalars()]

    def events(self, name: str) -> list[Event]:
        """Return what happened to a use case, in order."""
        table = use_case_events_table.c
        query = sa.select(table.event).where(table.use_case == name).order_by(table.number)
        with self._database.transaction() as connection:
            return [msgspec.convert(found, Event) for found in connection.execute(query).scalars()]

    def change(self, name: str, step: Step, *, ends_keys: bool = False) -> Record:
        """Keep what a step makes of a use case, with its event; nobody else's change is lost.

        `ends_keys` revokes its keys in the same transaction. Those who follow are told of what is, or was, approved.
        Raises NotFound, Conflict, and what the step raises.
        """
        for _ in range(_TRIES):
            before = self.get(name)
            after, event = step(before)
            tells = USE_CASES if after.state in ("approved", "retired") else None
            with self._database.transaction(tells=tells) as connection:
                mine = (use_cases_table.c.name == name) & (use_cases_table.c.revision == before.revision)
                if connection.execute(use_cases_table.update().where(mine).values(**_columns(after))).rowcount:
                    _append(connection, name, event)
                    if ends_keys:
                        _end_keys(connection, name, event.at)
                    return after
        raise Conflict(f"Others change use case {name} at the same time.", hint="Look at it again, and try once more.")

    # -- acknowledgements ----------------------------------------------------------------------------------------------

    def acknowledge(self, identity: str, version: str, *, text_hash: str, at: float) -> None:
        """Keep that somebody acknowledged a version of the text on risks; the first time stays."""
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    acknowledgements_table.insert().values(
                        identity=identity, version=version, text_hash=text_hash, at=at
                    )
                )
        except sa.exc.IntegrityError:
            return

    def acknowledged_at(self, identity: str, version: str) -> float | None:
        """Return when somebody acknowledged a version, None if they did not."""
        table = acknowledgements_table.c
        query = sa.select(table.at).where(table.identity == identity, table.version == version)
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none()


def unknown(name: str) -> NotFound:
    """Return the error for a use case that is not there, or not for whom asks."""
    return NotFound(f"No use case {name[:80]!r}.", hint="`workbench usecase list` shows yours.")


def _columns(record: Record) -> dict[str, object]:
    return {
        "owner": record.owner,
        "state": record.state,
        "revision": record.revision,
        "record": msgspec.to_builtins(record),
        "updated_at": record.updated_at,
    }


def _append(connection: sa.Connection, name: str, event: Event) -> None:
    values = {"use_case": name, "number": event.number, "event": msgspec.to_builtins(event)}
    connection.execute(use_case_events_table.insert().values(**values))


def _end_keys(connection: sa.Connection, name: str, at: float) -> None:
    live = (keys_table.c.use_case == name) & keys_table.c.revoked_at.is_(None)
    connection.execute(keys_table.update().where(live).values(revoked_at=at))
