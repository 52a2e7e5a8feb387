"""Keys on disk: issued, revoked, and read back at the next start. Each function blocks; call it in a thread."""

from __future__ import annotations

from dataclasses import replace
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

_MOST_LIVE = 16
"""Keys of one line that may live at a time."""
_SWEPT_SECONDS = 86400.0
"""How long a dead key of a line stays here; its first and its last one stay, and the ledger's rows name all of them."""


class KeyStore:
    """The table of keys in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self, *, dead_since: float = 0.0, expired_since: float = 0.0) -> list[Key]:
        """Return every key but those that were revoked or expired before `dead_since`.

        Nor those that expired by themselves before `expired_since`: whoever knows them knows that.
        """
        revoked, expires = keys_table.c.revoked_at, keys_table.c.expires_at
        query = sa.select(keys_table).where(
            *(sa.or_(end.is_(None), end >= dead_since) for end in (revoked, expires)),
            sa.or_(revoked.is_not(None), expires.is_(None), expires >= expired_since),
        )
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

    def rotate(self, key_id: str, apply: Callable[[Key], tuple[Key, Key]], *, now: float) -> tuple[Key, Key]:
        """Keep how a key ends and the one that takes its place, both or neither; return them.

        `apply` makes both of the key as it is kept now. Raises Conflict where that one was revoked elsewhere: neither
        it nor its like comes to life again. What is long dead of the line is swept.
        """
        table = keys_table.c
        with self._state.transaction(tells=KEYS) as connection:
            row = connection.execute(sa.select(keys_table).where(table.id == key_id)).mappings().first()
            if row is None or row["revoked_at"] is not None:
                raise Conflict(f"Key {key_id} was revoked.", hint="Issue another.")
            ended, new = apply(_key(row))
            line = sa.or_(table.account == new.account, table.id == new.account)
            live = sa.and_(table.revoked_at.is_(None), sa.or_(table.expires_at.is_(None), table.expires_at > now))
            if connection.execute(sa.select(sa.func.count()).where(line, live)).scalar_one() >= _MOST_LIVE:
                raise Conflict(
                    f"{_MOST_LIVE} keys of this line live at once, which is the most.",
                    hint="Rotate the newest one; those before it end with their overlap, or are revoked.",
                    code="too_many_keys",
                )
            ends = {"expires_at": ended.expires_at, "revoked_at": ended.revoked_at}
            connection.execute(keys_table.update().where(table.id == key_id).values(**ends))
            _insert(connection, new)
            dead = sa.or_(table.revoked_at < now - _SWEPT_SECONDS, table.expires_at < now - _SWEPT_SECONDS)
            connection.execute(keys_table.delete().where(table.account == new.account, table.id != new.account, dead))
        return ended, new

    def change(self, key_id: str, apply: Callable[[Key], Key]) -> Key | None:
        """Change what may change of a key as it is kept now, whoever wrote it last; return it, None for no such key.

        What its line of rotated keys is held to changes with it: limits, budget, and whether it is stopped.
        """
        table = keys_table.c
        which = table.id == key_id
        with self._state.transaction(tells=KEYS) as connection:
            connection.execute(keys_table.update().where(which).values(note=table.note))  # nobody else writes now
            row = connection.execute(sa.select(keys_table).where(which)).mappings().first()
            if row is None:
                return None
            changed = apply(_key(row))
            fields = _changeable(changed)
            connection.execute(keys_table.update().where(which).values(**fields))
            line = sa.or_(table.account == changed.account, table.id == changed.account)
            connection.execute(keys_table.update().where(line).values({name: fields[name] for name in _OF_ACCOUNT}))
        return changed

    def revoke_line(self, key: Key) -> list[Key]:
        """Keep that a key was revoked, and with it what lives of its line and is older; return them all."""
        table = keys_table.c
        line = sa.or_(table.account == key.account, table.id == key.account)
        before = sa.and_(line, table.created_at <= key.created_at, sa.or_(
            table.expires_at.is_(None), table.expires_at > key.revoked_at,
        ))  # fmt: skip
        which = sa.and_(table.revoked_at.is_(None), sa.or_(table.id == key.id, before))
        with self._state.transaction(tells=KEYS) as connection:
            found = [_key(row) for row in connection.execute(sa.select(keys_table).where(which)).mappings()]
            connection.execute(keys_table.update().where(which).values(revoked_at=key.revoked_at))
        return [replace(one, revoked_at=key.revoked_at) for one in found]

    def revoke(self, keys: Iterable[Key]) -> None:
        """Keep that keys were revoked, and when; an earlier time stays."""
        with self._state.transaction(tells=KEYS) as connection:
            for key in keys:
                connection.execute(
                    keys_table.update()
                    .where(keys_table.c.id == key.id, keys_table.c.revoked_at.is_(None))
                    .values(revoked_at=key.revoked_at)
                )


_OF_ACCOUNT = ("limits", "budget", "stopped")
"""What keys of one line have in common."""


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
            account=key.account,
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
