"""More money for a while: who raised whose budget, by how much, until when and why. Kept in the state database."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from workbench.errors import InvalidInput
from workbench.gateway.access.limits import MOST_USD, Budget
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.subject import Raise, Subject, SubjectKind
from workbench.gateway.state import BUDGETS, State, budget_raises_table
from workbench.gateway.times import utc_text

_LONGEST = 366 * 86400
_More = Annotated[float, msgspec.Meta(gt=0, le=MOST_USD)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")]


class RaiseWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /admin/v1/budgets/raises`: how much more of each part, until when, and why."""

    subject: SubjectKind
    name: _Name
    until: str
    reason: _Reason
    usd_per_day: _More | None = None
    usd_per_month: _More | None = None
    usd_total: _More | None = None

    def budget(self) -> Budget:
        """Return how much more there is of each part."""
        return Budget(usd_per_day=self.usd_per_day, usd_per_month=self.usd_per_month, usd_total=self.usd_total)


class Raises:
    """The temporary raises of budgets."""

    def __init__(self, state: State, admission: Admission) -> None:
        self._state = state
        self._admission = admission

    async def add(self, wish: RaiseWish, *, by: str) -> Raise:
        """Raise a budget; raises InvalidInput for one that is not there, or an end that is none."""
        now = time.time()
        made = Raise(
            id=f"raise_{secrets.token_hex(8)}",
            subject=self._admission.subject(wish.subject, wish.name),
            budget=wish.budget(),
            until=_end(wish.until, now),
            reason=wish.reason.strip(),
            by=by,
            created_at=now,
        )
        self._check(made)
        await asyncio.to_thread(self._keep, made)
        await self.catch_up()
        return made

    async def all(self) -> list[Raise]:
        """Return every raise that ever was, newest first."""
        return await asyncio.to_thread(self._load, 0.0)

    async def catch_up(self) -> None:
        """Let those hold that are kept and not over."""
        self._admission.raise_budgets(await asyncio.to_thread(self._load, time.time()))

    def _check(self, made: Raise) -> None:
        wished = msgspec.to_builtins(made.budget)
        if not wished:
            raise InvalidInput(
                "Nothing is raised.", hint="Send usd_per_day, usd_per_month or usd_total: how much more there is to be."
            )
        terms = [one for one in self._admission.terms_of(made.subject) if not one.shadow]
        for part in wished:
            if all(getattr(one.budget, part) is None for one in terms):
                raise InvalidInput(
                    f"{made.subject} is held to no {part}.",
                    hint="`GET /admin/v1/limits` tells who is held to what.",
                    param=part,
                )

    def _keep(self, made: Raise) -> None:
        with self._state.transaction(tells=BUDGETS) as connection:
            connection.execute(
                budget_raises_table.insert().values(
                    id=made.id, kind=made.subject.kind, name=made.subject.name,
                    budget=msgspec.to_builtins(made.budget), until=made.until, reason=made.reason, by=made.by,
                    created_at=made.created_at,
                )
            )  # fmt: skip

    def _load(self, after: float) -> list[Raise]:
        table = budget_raises_table.c
        query = sa.select(budget_raises_table).where(table.until > after).order_by(table.created_at.desc(), table.id)
        with self._state.transaction() as connection:
            return [
                Raise(
                    id=row.id, subject=Subject(row.kind, row.name), budget=msgspec.convert(row.budget, Budget),
                    until=row.until, reason=row.reason, by=row.by, created_at=row.created_at,
                )
                for row in connection.execute(query)
            ]  # fmt: skip


def told(one: Raise) -> dict[str, Any]:
    """Return what is told of a raise."""
    return {
        "id": one.id,
        "subject": one.subject.kind,
        "name": one.subject.name,
        **msgspec.to_builtins(one.budget),
        "until": utc_text(one.until),
        "active": one.until > time.time(),
        "reason": one.reason,
        "by": one.by,
        "created_at": utc_text(one.created_at),
    }


def _end(text: str, now: float) -> float:
    """Return when a raise ends: a date alone is the last day of it, a time without a zone is UTC."""
    try:
        end = datetime.fromisoformat(text)
        end = end.replace(tzinfo=end.tzinfo or UTC)
        if len(text) <= len("2026-11-22"):
            end += timedelta(days=1)
        seconds = end.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(
            f"until is {text[:40]!r}; expected a date or a time.", hint="Send 2026-12-31.", param="until"
        ) from error
    if not now < seconds <= now + _LONGEST:
        raise InvalidInput(
            f"until is {text[:40]!r}; expected a day from today to a year from now.",
            hint="For good, change the budget itself.",
            param="until",
        )
    return seconds
