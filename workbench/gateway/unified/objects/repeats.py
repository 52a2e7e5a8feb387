"""Answers to requests that carry an `idempotency-key`: the same request gets the same answer for a day.

Source: the IETF draft "The Idempotency-Key HTTP Header Field". Each function blocks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from workbench.errors import Conflict
from workbench.gateway.state import State, repeats_table

LASTS_SECONDS = 86400.0
_FLIGHT_SECONDS = 900.0
"""After which a request that has no answer is taken for lost, with the process that made it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request that may come twice."""

    owner: str
    """Whose it is."""
    path: str
    """What was posted to."""
    key: str
    """The caller's `idempotency-key`."""
    fingerprint: str
    """Hash of its body."""


class Repeats:
    """The table of such requests."""

    def __init__(self, state: State) -> None:
        self._state = state

    def begin(self, wish: Wish) -> bytes | None:
        """Return the answer that was given before, None if this is the first time.

        Raises Conflict for one that has no answer yet, or that came with another body.
        """
        table = repeats_table
        now = time.time()
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(table.c.created_at < now - LASTS_SECONDS))
            lost = sa.and_(_of(wish), table.c.answer.is_(None), table.c.created_at < now - _FLIGHT_SECONDS)
            connection.execute(table.delete().where(lost))
        try:
            with self._state.transaction() as connection:
                connection.execute(
                    table.insert().values(
                        owner=wish.owner,
                        path=wish.path,
                        key=wish.key,
                        fingerprint=wish.fingerprint,
                        created_at=now,
                    )
                )
            return None
        except sa.exc.IntegrityError:
            pass
        with self._state.transaction() as connection:
            found = connection.execute(sa.select(table).where(_of(wish))).mappings().first()
        if found is not None and found["fingerprint"] != wish.fingerprint:
            raise Conflict(
                f"The idempotency key {wish.key[:80]!r} was used with another body.",
                hint="Send another key, or the same body.",
                code="idempotency_key_reused",
            )
        if found is None or found["answer"] is None:
            raise Conflict(
                f"A request with the idempotency key {wish.key[:80]!r} is still on its way.",
                hint="Wait for its answer, or send it again later.",
                code="idempotency_in_flight",
            )
        return bytes(found["answer"])

    def is_answered(self, wish: Wish) -> bool:
        """Tell whether the answer to a request is kept."""
        table = repeats_table
        known = sa.select(table.c.key).where(_of(wish), table.c.fingerprint == wish.fingerprint)
        fresh = known.where(table.c.answer.is_not(None), table.c.created_at >= time.time() - LASTS_SECONDS)
        with self._state.transaction() as connection:
            return connection.execute(fresh).first() is not None

    def keep(self, wish: Wish, answer: bytes) -> None:
        """Keep the answer."""
        with self._state.transaction() as connection:
            connection.execute(repeats_table.update().where(_of(wish)).values(answer=answer))

    def forget(self, wish: Wish) -> None:
        """Forget a request that failed: it may be tried again."""
        table = repeats_table
        with self._state.transaction() as connection:
            connection.execute(table.delete().where(_of(wish), table.c.answer.is_(None)))


def _of(wish: Wish) -> sa.ColumnElement[bool]:
    table = repeats_table
    return sa.and_(table.c.owner == wish.owner, table.c.path == wish.path, table.c.key == wish.key)
