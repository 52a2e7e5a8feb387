"""What was noticed and where it was delivered to, in the state database: so each occasion is told once. Blocks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.gateway.leading import Leadership
from workbench.gateway.notices import Notice
from workbench.gateway.state import State, alert_deliveries_table, alert_episodes_table, alerts_table
from workbench.gateway.times import utc_text

_MOST = 50
_KEPT_SECONDS = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert that is to go to one destination."""

    id: str
    """Names the occasion; the receiver may tell by it what it has already."""
    destination: str
    """Where to."""
    notice: Notice
    """What."""
    at: float
    """When it was noticed, in seconds since the epoch."""
    attempts: int
    """How often it was tried."""


class AlertBook:
    """Alerts, their deliveries, and who delivers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._leading = Leadership(state, "deliver")

    def keep(self, notice: Notice, destinations: Iterable[str], *, sent: Iterable[str] = ()) -> None:
        """Keep a notice that is to go to destinations; one that is kept already stays as it is.

        `sent` are those that have it: it could not be kept before it was delivered.
        """
        now, id_ = time.time(), id_of(notice)
        done = set(sent)
        with self._state.transaction() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(
                        alerts_table.insert().values(
                            id=id_, kind=notice.kind, once=notice.once, text=notice.text, details=notice.details,
                            created_at=now,
                        )
                    )  # fmt: skip
            except sa.exc.IntegrityError:
                return
            rows = [
                {"id": id_, "destination": name, "attempts": 0, "due_at": now, "sent_at": now if name in done else None}
                for name in destinations
            ]
            if rows:
                connection.execute(alert_deliveries_table.insert(), rows)
            connection.execute(alerts_table.delete().where(alerts_table.c.created_at < now - _KEPT_SECONDS))
            old = sa.select(alerts_table.c.id)
            connection.execute(alert_deliveries_table.delete().where(alert_deliveries_table.c.id.not_in(old)))

    def take_lease(self, holder: str) -> bool:
        """Return whether `holder` is to deliver from now on, for a while; nobody else is meanwhile."""
        return self._leading.take(holder)

    def give_back(self, holder: str) -> None:
        """Let another process deliver."""
        self._leading.give_back(holder)

    def due(self) -> list[Delivery]:
        """Return what is to be delivered now, the oldest first."""
        alerts, deliveries = alerts_table, alert_deliveries_table
        query = (
            sa.select(deliveries, alerts)
            .join(alerts, alerts.c.id == deliveries.c.id)
            .where(deliveries.c.sent_at.is_(None), deliveries.c.due_at.is_not(None), deliveries.c.due_at <= time.time())
            .order_by(alerts.c.created_at)
            .limit(_MOST)
        )
        with self._state.transaction() as connection:
            return [
                Delivery(
                    row.id, row.destination, Notice(row.kind, row.once, row.text, row.details), row.created_at,
                    row.attempts,
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def sent(self, delivery: Delivery) -> None:
        """Note that a destination has taken an alert."""
        self._note(delivery, sent_at=time.time(), error=None)

    def failed(self, delivery: Delivery, error: str, *, again_in: float | None) -> None:
        """Note that a destination did not take an alert; with `again_in` None it is given up."""
        due = None if again_in is None else time.time() + again_in
        self._note(delivery, due_at=due, error=error[:500])

    def _note(self, delivery: Delivery, **values: Any) -> None:
        table = alert_deliveries_table
        this = sa.and_(table.c.id == delivery.id, table.c.destination == delivery.destination)
        with self._state.transaction() as connection:
            connection.execute(table.update().where(this).values(attempts=delivery.attempts + 1, **values))

    # -- episodes: something that begins and ends, such as an outage ------------------------------------------------

    def episode(self, subject: str, *, goes_on: bool) -> int | None:
        """Note whether something goes on; return the number of an episode that has just begun, else None."""
        table = alert_episodes_table
        with self._state.transaction() as connection:
            known = connection.execute(sa.select(table).where(table.c.subject == subject)).first()
            if known is None:
                if not goes_on:
                    return None
                try:
                    with connection.begin_nested():
                        connection.execute(table.insert().values(subject=subject, number=1, goes_on=True))
                except sa.exc.IntegrityError:  # another gateway saw it, too
                    return None
                return 1
            if known.goes_on == goes_on:
                return None
            number = known.number + int(goes_on)
            changed = connection.execute(
                table.update()
                .where(table.c.subject == subject, table.c.goes_on.is_(not goes_on), table.c.number == known.number)
                .values(goes_on=goes_on, number=number)
            )
            return number if goes_on and changed.rowcount else None

    def open_episodes(self) -> set[str]:
        """Return what goes on, as far as was noted."""
        table = alert_episodes_table
        query = sa.select(table.c.subject).where(table.c.goes_on.is_(True))
        with self._state.transaction() as connection:
            return set(connection.execute(query).scalars())

    # -- for people --------------------------------------------------------------------------------------------------

    def latest(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest alerts, each with its deliveries."""
        with self._state.transaction() as connection:
            query = sa.select(alerts_table).order_by(alerts_table.c.created_at.desc()).limit(limit)
            alerts = [dict(row) for row in connection.execute(query).mappings()]
            ids = [alert["id"] for alert in alerts]
            chosen = sa.select(alert_deliveries_table).where(alert_deliveries_table.c.id.in_(ids))
            deliveries: Sequence[Any] = connection.execute(chosen).mappings().all()
        return [
            {**_told(alert), "deliveries": [_told(dict(one)) for one in deliveries if one["id"] == alert["id"]]}
            for alert in alerts
        ]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is told: times as everywhere else."""
    return {name: utc_text(at) if name.endswith("_at") and at is not None else at for name, at in row.items()}


def id_of(notice: Notice) -> str:
    """Return the name of a notice's occasion that a receiver gets: as long as any other."""
    return f"alert_{hashlib.sha256(notice.once.encode()).hexdigest()[:32]}"
