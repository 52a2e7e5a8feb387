"""The table of things that are paid later: what each is, whose, and whether it is settled. Each function blocks."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.errors import Conflict, NotFound
from workbench.gateway.admission import deposits
from workbench.gateway.state import State, settlements_table, stored_objects_table

_AWAITED_SECONDS = 600.0
"""After so long, a gateway that has noted a thing and kept nothing for it is gone."""
_GOES_ON_SECONDS = 86400.0
"""For how long a gateway that began to book a thing is waited for."""
TAKEN_SECONDS = 60.0
"""For how long whoever works on a thing has it, if nothing more is heard of them."""
BATCH, JOB, MESSAGES, HOURS, RESPONSE = "batch", "fine_tuning.job", "message_batch", "reserved", "response"
"""Kinds of things."""
GOOGLE_BATCH, VERTEX_BATCH, VERTEX_JOB = "google_batch", "vertex_batch", "vertex_job"
"""Those of Google: batches of the Gemini API, batch jobs and tuning jobs of Vertex."""
UNIFIED = ""
"""The path of what was made below `/v1`."""


_SHORTEST_ID = 8
"""Digits of an id that name a thing, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One thing that is paid later."""

    kind: str
    """What it is."""
    provider: str
    """Who is paid."""
    upstream_id: str
    """The provider's own id; of hours the deployment's id and the day."""
    path: str = UNIFIED
    """Path and query at the provider under which such things are asked for; empty: by the unified protocol."""
    key_id: str | None = None
    """The key that began it."""
    account: str | None = None
    """The line of rotated keys that it belongs to; None: its own."""
    owner: str | None = None
    """Whose key that is."""
    use_case: str | None = None
    """The key's use case."""
    created_at: float
    """When it was begun, in seconds since the epoch."""
    held: int | None = None
    """What is kept for it of those who pay, in picodollars; None: nothing."""
    paying: str | None = None
    """How far keeping and booking had come when it was noted last; None: neither is in the middle."""

    @property
    def id(self) -> str:
        """Return the same id for the same thing, wherever it is seen."""
        told = f"{self.provider}\n{self.kind}\n{self.upstream_id}"
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def half_paid(self) -> bool:
        """Whether a gateway ended between holding the money and keeping it, or between taking and booking it.

        What it had leased for this was booked as spent then.
        """
        if self.held is not None:
            return False
        return self.paying == deposits.TAKEN or (
            self.paying == deposits.AWAITED and time.time() - self.created_at > _AWAITED_SECONDS
        )

    def is_anothers(self, ledger: str) -> bool:
        """Tell whether somebody is about to keep or to book it, or may go on to book it in another ledger."""
        if self.held is not None or self.paying is None:
            return False
        whose, _, since = self.paying.partition("@")
        if whose == deposits.AWAITED:
            return True
        return whose != ledger and time.time() - float(since or 0) < _GOES_ON_SECONDS


class SettlementStore:
    """Reads and writes the table."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, due: Due) -> None:
        """Note a thing, unless it is known; the first to be seen with it is who pays."""
        table = settlements_table
        with self._state.transaction() as connection:
            if connection.execute(sa.select(table.c.id).where(table.c.id == due.id)).first() is not None:
                return
            fields = {name: getattr(due, name) for name in Due.__slots__}
            try:
                with connection.begin_nested():
                    connection.execute(table.insert().values(id=due.id, **fields))
            except sa.exc.IntegrityError:
                pass  # another request saw it first

    def begin(self, due: Due, ledger: str) -> None:
        """Note in which ledger a thing is booked from now on: its rows are not booked in another one as well."""
        self._set(due, paying=f"{ledger}@{time.time():.0f}")

    def adopt(self) -> None:
        """Note the batches and jobs that were left before there was this table; their keys are not known."""
        table = stored_objects_table
        query = sa.select(table).where(table.c.kind.in_((BATCH, JOB)))
        with self._state.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        for row in rows:
            whose, _, name = row["owner"].partition(":")
            self.note(
                Due(
                    kind=row["kind"],
                    provider=row["provider"],
                    upstream_id=row["upstream_id"],
                    owner=name if whose == "owner" else None,
                    use_case=name if whose == "use-case" else None,
                    created_at=row["created_at"],
                )
            )

    def open_ids(self) -> list[str]:
        """Return the ids of what is not settled, the oldest first."""
        table = settlements_table
        query = sa.select(table.c.id).where(table.c.settled_at.is_(None)).order_by(table.c.created_at, table.c.id)
        with self._state.transaction() as connection:
            return list(connection.execute(query).scalars())

    def open_rows(self) -> list[tuple[Due, str | None]]:
        """Return what is not settled, the oldest first, each with how it stood when it was looked at last."""
        table = settlements_table
        query = sa.select(table).where(table.c.settled_at.is_(None)).order_by(table.c.created_at, table.c.id)
        with self._state.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [(Due(**{name: row[name] for name in Due.__slots__}), row["note"]) for row in rows]

    def find(self, named: str) -> str:
        """Return the id of what is open under an id or its first digits; raises NotFound, Conflict."""
        found = [each for each in self.open_ids() if len(named) >= _SHORTEST_ID and each.startswith(named)]
        if not found:
            raise NotFound(
                f"Nothing that waits to be settled has the id {named[:80]!r}.",
                hint="`workbench usage settle --open` lists what waits.",
            )
        if len(found) > 1:
            raise Conflict(f"{len(found)} things have ids that begin with {named!r}.", hint="Give more digits.")
        return found[0]

    def take(self, due_id: str) -> Due | None:
        """Take a thing to work on it; None where it is settled by now, or another has it."""
        table = settlements_table
        now = time.time()
        free = sa.or_(table.c.taken_until.is_(None), table.c.taken_until < now)
        mine = table.update().where(table.c.id == due_id, table.c.settled_at.is_(None), free)
        with self._state.transaction() as connection:
            if not connection.execute(mine.values(taken_until=now + TAKEN_SECONDS)).rowcount:
                return None
            row = connection.execute(sa.select(table).where(table.c.id == due_id)).mappings().one()
        return Due(**{name: row[name] for name in Due.__slots__})

    def keep(self, due: Due) -> None:
        """Hold on to what was taken for another while."""
        self._set(due, taken_until=time.time() + TAKEN_SECONDS)

    def give_back(self, due: Due, note: str) -> None:
        """Let others have what can't be settled now, with the reason."""
        self._set(due, taken_until=None, note=note[:400])

    def settled(self, due: Due, *, cost_usd: float | None, note: str) -> None:
        """Note that a thing is settled for good; nothing is kept for it any more."""
        self._set(
            due, taken_until=None, settled_at=time.time(), held=None, paying=None, cost_usd=cost_usd, note=note[:400]
        )

    def first_of(self, kind: str) -> float | None:
        """Return when the first thing of a kind was begun; None where there is none."""
        table = settlements_table
        query = sa.select(sa.func.min(table.c.created_at)).where(table.c.kind == kind)
        with self._state.transaction() as connection:
            first: float | None = connection.execute(query).scalar_one()
        return first

    def _set(self, due: Due, **fields: Any) -> None:
        table = settlements_table
        with self._state.transaction() as connection:
            connection.execute(table.update().where(table.c.id == due.id).values(**fields))
