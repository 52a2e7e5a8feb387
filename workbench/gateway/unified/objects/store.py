"""The table of stored objects: whose each is, where it is, and how it was seen last. Each function blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.gateway.state import State, stored_objects_table

_NAME = "object-ids"
_RESPONSES = "response"
_RESPONSES_LAST_SECONDS = 31 * 86400
"""As long as providers keep responses, and a day."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object."""

    id: str
    """Its id as the owner sees it."""
    kind: str
    """Name of its kind."""
    owner: str
    """Whose it is."""
    provider: str
    """Where it is."""
    upstream_id: str
    """The provider's own id."""
    created_at: float
    """Seconds since the epoch."""
    seen: dict[str, Any]
    """Its JSON as the owner saw it last; of a response, where it was made."""
    most_usd: float | None = None
    """Of a file of a batch: the most that this can cost, in US dollars; None: not known."""


class ObjectStore:
    """Reads and writes the table."""

    def __init__(self, state: State) -> None:
        self._state = state

    def secret(self) -> bytes:
        """Return the secret that ids are sealed with."""
        return self._state.secret(_NAME)

    def keep(self, stored: Stored, *, is_new: bool = False) -> None:
        """Keep an object, or how it is seen now; when it was made stays, but of one `is_new`."""
        table = stored_objects_table
        fields: dict[str, Any] = {"seen": stored.seen}
        if is_new:  # a provider may give the id of an older one again
            fields |= {"created_at": stored.created_at, "most_usd": stored.most_usd}
        where = sa.and_(table.c.id == stored.id, table.c.owner == stored.owner)
        with self._state.transaction() as connection:
            update = table.update().where(where).values(**fields)
            if connection.execute(update).rowcount:
                return
            insert = table.insert().values(
                id=stored.id,
                kind=stored.kind,
                owner=stored.owner,
                provider=stored.provider,
                upstream_id=stored.upstream_id,
                **{"created_at": stored.created_at, "most_usd": stored.most_usd, **fields},
            )
            try:
                with connection.begin_nested():
                    connection.execute(insert)
            except sa.exc.IntegrityError:  # another request saw it first
                connection.execute(update)

    def get(self, object_id: str, owner: str) -> Stored | None:
        """Return an object of an owner."""
        table = stored_objects_table
        query = sa.select(table).where(table.c.id == object_id, table.c.owner == owner)
        with self._state.transaction() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Stored(**row)

    def page(self, kind: str, owner: str, *, limit: int, after: Stored | None, oldest_first: bool) -> list[Stored]:
        """Return objects of an owner, from behind one of them."""
        table = stored_objects_table
        query = sa.select(table).where(table.c.kind == kind, table.c.owner == owner).limit(limit)
        order = (table.c.created_at, table.c.id)
        if after is not None:
            place = sa.tuple_(*order), sa.tuple_(sa.literal(after.created_at), sa.literal(after.id))
            query = query.where(place[0] > place[1] if oldest_first else place[0] < place[1])
        query = query.order_by(*(column if oldest_first else column.desc() for column in order))
        with self._state.transaction() as connection:
            return [Stored(**row) for row in connection.execute(query).mappings()]

    def forget(self, object_id: str, owner: str) -> None:
        """Take an object out."""
        table = stored_objects_table
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(table.c.id == object_id, table.c.owner == owner))

    def prune(self) -> None:
        """Take out responses that no provider has any more."""
        table = stored_objects_table
        old = time.time() - _RESPONSES_LAST_SECONDS
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(table.c.kind == _RESPONSES, table.c.created_at < old))
