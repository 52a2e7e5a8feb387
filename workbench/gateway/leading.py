"""Which process of all does what only one may do: whoever holds the lease of that name in the state database."""

from __future__ import annotations

import os
import secrets
import socket
import time

import sqlalchemy as sa

from workbench.gateway.state import State, alert_lease_table

LEASE_SECONDS = 30.0
"""How long a process leads before another may; it asks for more long before."""


class Leadership:
    """The lease of one name. Each method blocks."""

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._name = name

    def take(self, holder: str) -> bool:
        """Return whether `holder` leads from now on, for a while; nobody else does meanwhile."""
        now, lease = time.time(), alert_lease_table
        mine = {"holder": holder, "until": now + LEASE_SECONDS}
        with self._state.transaction() as connection:
            free = sa.or_(lease.c.holder == holder, lease.c.until < now, lease.c.until > now + 2 * LEASE_SECONDS)
            here = lease.c.name == self._name
            if connection.execute(lease.update().where(here, free).values(**mine)).rowcount:
                return True
            if connection.execute(sa.select(lease.c.holder).where(here)).first() is not None:
                return False
            try:
                with connection.begin_nested():
                    connection.execute(lease.insert().values(name=self._name, **mine))
            except sa.exc.IntegrityError:
                return False
            return True

    def give_back(self, holder: str) -> None:
        """Let another process lead."""
        lease = alert_lease_table
        with self._state.transaction() as connection:
            connection.execute(lease.delete().where(lease.c.name == self._name, lease.c.holder == holder))


def new_holder() -> str:
    """Return a name for this process that no other has."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"
