"""Money that is kept for batches until they are settled: a column of the table of what is paid later. Blocks.

It is no lease: no process holds it, so none loses it. What is spent, leased and kept of a budget never passes its cap.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from workbench.gateway.admission.subject import Subject, SubjectKind
from workbench.gateway.state import State, settlements_table

_DUE = settlements_table.c
_WHOSE: Mapping[SubjectKind, sa.Column[str]] = {
    "key": _DUE.account,
    "use_case": _DUE.use_case,
    "user": _DUE.owner,
    "provider": _DUE.provider,
}
"""By whom something is kept; of models nothing is, since a batch may be of many."""
AWAITED, TAKEN = "awaited", "taken"
"""What a thing's `paying` says while a gateway is to keep for it what a call holds, or has taken it to book it."""
_SOME = sa.select(_DUE.id).where(_DUE.held.is_not(None)).limit(1)


def keep(connection: sa.Connection, due_id: str, amount: int) -> bool:
    """Keep an amount, in picodollars, for a thing; return False where it is settled, or kept for already."""
    open_ = sa.and_(_DUE.id == due_id, _DUE.settled_at.is_(None), _DUE.held.is_(None))
    return bool(connection.execute(settlements_table.update().where(open_).values(held=amount, paying=None)).rowcount)


def take(connection: sa.Connection, due_id: str) -> int:
    """Keep nothing more for a thing, and return what it was."""
    held: int | None = connection.execute(sa.select(_DUE.held).where(_DUE.id == due_id)).scalar_one_or_none()
    taken = {"held": None, "paying": None if held is None else TAKEN}
    connection.execute(settlements_table.update().where(_DUE.id == due_id).values(**taken))
    return held or 0


def some(connection: sa.Connection) -> bool:
    """Return whether anything is kept of anybody."""
    return connection.execute(_SOME).first() is not None


def kept(connection: sa.Connection, subject: Subject) -> int:
    """Return what is kept of one subject's money."""
    whose = _WHOSE.get(subject.kind)
    if whose is None:
        return 0
    held = sa.select(sa.func.coalesce(sa.func.sum(_DUE.held), 0)).where(_DUE.held.is_not(None), whose == subject.name)
    return int(connection.execute(held).scalar_one())


def all_kept(state: State) -> dict[Subject, int]:
    """Return what is kept of everybody's money."""
    columns = (*_WHOSE.values(), _DUE.held)
    with state.transaction() as connection:
        rows = connection.execute(sa.select(*columns).where(_DUE.held.is_not(None))).all()
    sums: dict[Subject, int] = {}
    for *names, held in rows:
        for kind, name in zip(_WHOSE, names, strict=True):
            if name is not None:
                sums[Subject(kind, name)] = sums.get(Subject(kind, name), 0) + held
    return sums
