"""Keys on disk: issued, revoked, and read back at the next start. Each function blocks; call it in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from workbench.errors import Conflict
from workbench.gateway.access.keys import Key
from workbench.gateway.access.limits import Budget, Limits
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.state import KEYS, State, keys_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class KeyStore:
    """The table of keys in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self, *, dead_since: float = 0.0) -> list[Key]:
        """Return every key but those that were revoked or expired before `dead_since`."""
        ends = (keys_table.c.revoked_at, keys_table.c.expires_at)
        query = sa.select(keys_table).where(*(sa.or_(end.is_(None), end >= dead_since) for end in ends))
        with self._state.transaction() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def get(self, key_id: str) -> Key | None:
        """Return the key of that id, however long it is dead."""
        with self._state.transaction() as connection:
            row = connection.execute(sa.select(keys_table).where(keys_table.c.id == key_id)).mappings().first()
        return None if row is None else _key(row)

    def page(
        self, *, limit: int, after: tuple[float, str] | None, owner: str | None, use_case: str | None
    ) -> list[Key]:
        """Return keys, newest first, from behind the one with that time and id."""
        table = keys_table.c
        query = sa.select(keys_table).order_by(table.created_at.desc(), table.id.desc()).limit(limit)
        if after is not None:
            time, key_id = after
            behind = sa.and_(table.created_at == time, table.id < key_id)
            query = query.where(sa.or_(table.created_at < time, behind))
        if owner is not None:
            query = query.where(table.owner == owner)
        if use_case is not None:
            query = query.where(table.use_case == use_case)
        with self._state.transaction() as connection:
            return [_key(row) for row in connection.execute(query).mappings()]

    def add(self, key: Key) -> None:
        """Keep a new key."""
        with self._state.transaction(tells=KEYS) as connection:
            _insert(connection, key)

    def rotate(self, old: Key, new: Key) -> None:
        """Keep a new key, and when the one before it ends, both or neither.

        Raises Conflict where that one was revoked elsewhere: neither it nor its like comes to life again.
        """
        ends = {"expires_at": old.expires_at, "revoked_at": old.revoked_at}
        live = keys_table.update().where(keys_table.c.id == old.id, keys_table.c.revoked_at.is_(None))
        with self._state.transaction(tells=KEYS) as connection:
            if not connection.execute(live.values(**ends)).rowcount:
                raise Conflict(f"Key {old.id} was revoked.", hint="Issue another.")
            _insert(connection, new)

    def change(self, key_id: str, apply: Callable[[Key], Key]) -> Key | None:
        """Change what may change of a key as it is kept now, whoever wrote it last; return it, None for no such key."""
        which = keys_table.c.id == key_id
        with self._state.transaction(tells=KEYS) as connection:
            connection.execute(
                keys_table.update().where(which).values(note=keys_table.c.note)
            )  # nobody else writes now
            row = connection.execute(sa.select(keys_table).where(which)).mappings().first()
            if row is None:
                return None
            changed = apply(_key(row))
            connection.execute(keys_table.update().where(which).values(**_changeable(changed)))
        return changed

    def revoke(self, keys: Iterable[Key]) -> None:
        """Keep that keys were revoked, and when; an earlier time stays."""
        with self._state.transaction(tells=KEYS) as connection:
            for key in keys:
                connection.execute(
                    keys_table.update()
                    .where(keys_table.c.id == key.id, keys_table.c.revoked_at.is_(None))
                    .values(revoked_at=key.revoked_at)
                )


def _insert(connection: sa.Connection, key: Key) -> None:
    connection.execute(
        keys_table.insert().values(
            id=key.id,
            hash=key.hash,
            kind=key.kind,
            owner=key.owner,
            use_case=key.use_case,
            lease=key.lease,
            rotated_from=key.rotated_from,
            **_changeable(key),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
    )


def _changeable(key: Key) -> dict[str, Any]:
    return {
        "note": key.note,
        "scopes": key.scopes.as_dict(),
        "limits": msgspec.to_builtins(key.limits),
        "budget": msgspec.to_builtins(key.budget),
        "stopped": key.stopped,
    }


def _key(row: Any) -> Key:
    scopes = Scopes(**{name: tuple(patterns) for name, patterns in row["scopes"].items()})
    limits = msgspec.convert(row["limits"], Limits)
    budget = msgspec.convert(row["budget"] or {}, Budget)
    return Key(**{**row, "scopes": scopes, "limits": limits, "budget": budget})
