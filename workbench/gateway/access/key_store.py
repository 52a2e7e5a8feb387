"""Keys on disk: issued, revoked, and read back at the next start. Each function blocks; call it in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.gateway.access.keys import Key
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.state import State, keys_table

if TYPE_CHECKING:
    from collections.abc import Iterable


class KeyStore:
    """The table of keys in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self) -> list[Key]:
        """Return every key."""
        with self._state.transaction() as connection:
            return [_key(row) for row in connection.execute(sa.select(keys_table)).mappings()]

    def add(self, key: Key) -> None:
        """Keep a new key."""
        with self._state.transaction() as connection:
            connection.execute(
                keys_table.insert().values(
                    id=key.id,
                    hash=key.hash,
                    kind=key.kind,
                    owner=key.owner,
                    use_case=key.use_case,
                    note=key.note,
                    lease=key.lease,
                    scopes=key.scopes.as_dict(),
                    limits=key.limits,
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                    revoked_at=key.revoked_at,
                )
            )

    def revoke(self, keys: Iterable[Key]) -> None:
        """Keep that keys were revoked, and when; an earlier time stays."""
        with self._state.transaction() as connection:
            for key in keys:
                connection.execute(
                    keys_table.update()
                    .where(keys_table.c.id == key.id, keys_table.c.revoked_at.is_(None))
                    .values(revoked_at=key.revoked_at)
                )


def _key(row: Any) -> Key:
    scopes = Scopes(**{name: tuple(patterns) for name, patterns in row["scopes"].items()})
    return Key(**{**row, "scopes": scopes, "limits": dict(row["limits"])})
