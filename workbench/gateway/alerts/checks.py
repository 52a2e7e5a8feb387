"""What is looked at every few seconds: failures, outages, the ledger, cost.

Numbers of calls and states of breakers are those of all workers; cost is read from the rows that the ledger's file has
got since the last look, and added to what other gateways on the same state database have told.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import sqlalchemy as sa

from workbench.errors import Unavailable
from workbench.gateway.alerts.cost_book import CostBook, Place
from workbench.gateway.ledger.file import connect
from workbench.gateway.ledger.row import SUBJECT_COLUMNS
from workbench.gateway.ledger.schema import spool_id
from workbench.gateway.notices import Notice
from workbench.gateway.telemetry.metrics import CALLS, GAUGE
from workbench.gateway.telemetry.numbers import Name
from workbench.gateway.times import utc_now
from workbench.settings.alerts import CostRule, ErrorRateRule
from workbench.wire.money import usd_text

_log = logging.getLogger("workbench.gateway.alerts")

_LONGEST_NAME = 500
_PERIODS = {"day": 10, "month": 7}
_PLACE = {"model": 1, "provider": 2, "use_case": 3}
"""Where a series of calls names them."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that goes on, or does not."""

    kind: str
    subject: str
    """Names it, for as long as the gateway lives."""
    goes_on: bool
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class ErrorRates:
    """Shares of failed calls in a sliding time, by one rule."""

    def __init__(self, rule: ErrorRateRule) -> None:
        self._rule = rule
        self._looks: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()

    def look(self, totals: Mapping[Name, list[int]], now: float | None = None) -> Iterator[Condition]:
        """Yield a condition for each subject that had calls enough; one that is over has fewer failures, or none."""
        rule, now = self._rule, monotonic() if now is None else now
        sums: dict[str, tuple[int, int]] = {}
        for name, cells in totals.items():
            if name[0] != CALLS or name[4] not in ("ok", "failed"):
                continue
            subject = "" if rule.subject == "all" else name[_PLACE[rule.subject]]
            calls, failed = sums.get(subject, (0, 0))
            sums[subject] = calls + cells[0], failed + (cells[0] if name[4] == "failed" and name[5] != _CALLERS else 0)
        self._looks.append((now, sums))
        while len(self._looks) > 2 and self._looks[1][0] <= now - rule.seconds:
            self._looks.popleft()
        before = self._looks[0][1]
        for subject, (all_calls, all_failed) in sums.items():
            had, had_failed = before.get(subject, (0, 0))
            calls, failed = all_calls - had, all_failed - had_failed
            share = failed / calls if calls else 0.0
            goes_on = calls >= rule.calls and share >= rule.share
            yield Condition(
                "error_rate", f"error_rate {rule.subject} {subject} {rule.share:g} {rule.seconds:g}", goes_on,
                f"{share:.0%} of {calls} calls{_of(rule.subject, subject)} failed within {rule.seconds:g} s.",
                {"subject": rule.subject, "name": subject or None, "calls": calls, "failed": failed, "share": share},
            )  # fmt: skip


_CALLERS = "refused_by_provider"
"""Error code of a call whose own question the provider refused."""


def states(totals: Mapping[Name, list[int]]) -> Iterator[Condition]:
    """Yield a condition for each provider, and one for the ledger."""
    for name, cells in totals.items():
        if name[0] != GAUGE:
            continue
        if name[1] == "provider_down":
            yield Condition(
                "provider_outage", f"provider_outage {name[2]}", bool(cells[0]),
                f"Provider {name[2]} is down: its calls fail, or it refuses the gateway's credential.",
                {"provider": name[2]},
            )  # fmt: skip
        elif name[1] == "ledger_failing":
            yield Condition("ledger", "ledger failing", bool(cells[0]), "The ledger can't be written.")


class Costs:
    """What was spent in this day and month, by the rules; read once at the start, and then only what is new. Blocks."""

    def __init__(self, rules: list[CostRule], path: Path, book: CostBook | None = None) -> None:
        """Count the ledger at a path; with a `book` also what other ledgers tell there."""
        self._rules = rules
        self._path = path
        self._book = book
        self._ledger = ""
        self._last: int | None = None
        self._sums: dict[Place, float] = {}
        self._others: dict[Place, float] = {}

    def look(self) -> list[Notice]:
        """Return a notice for each threshold that is passed; each names its period, so that it is told once."""
        if not self._rules:
            return []
        now = utc_now()
        with closing(connect(self._path)) as connection:
            self._read(connection, now)
            self._ledger = self._ledger or spool_id(connection)
        periods = {now[:length] for length in _PERIODS.values()}
        self._sums = {key: usd for key, usd in self._sums.items() if key[2] in periods}
        if self._book is not None:
            self._exchange(self._book, since=min(periods))
        return [notice for rule in self._rules for notice in self._passed(rule, now)]

    def _exchange(self, book: CostBook, *, since: str) -> None:
        """Tell others what was spent here, and hear of theirs."""
        try:
            self._others = book.share(self._ledger, self._sums, since=since)
        except (Unavailable, sa.exc.IntegrityError) as error:  # another process on the same ledger was faster
            _log.warning("what other gateways have spent is not known now: %s", error)

    def _read(self, connection: sqlite3.Connection, now: str) -> None:
        connection.execute("BEGIN")  # one view of the file: no row is counted twice, and none left out
        last = connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM calls").fetchone()[0]
        month = now[:7]
        for kind in dict.fromkeys(rule.subject for rule in self._rules):
            column = SUBJECT_COLUMNS.get(kind, "''")
            if self._last is None:
                source, since = "counted", "1"
            else:
                source, since = "calls", f"rowid > {self._last}"
            rows = connection.execute(
                f"""SELECT {column} AS name, substr(time, 1, 10) AS day, SUM(cost_usd) AS usd FROM {source}
                    WHERE {since} AND time >= ? GROUP BY 1, 2""",  # noqa: S608 - our own words
                (month,),
            )
            for row in rows:
                if row["name"] is None or not row["usd"]:
                    continue
                for length in _PERIODS.values():
                    key = kind, row["name"][:_LONGEST_NAME], row["day"][:length]
                    self._sums[key] = self._sums.get(key, 0.0) + row["usd"]
        connection.execute("COMMIT")
        self._last = last

    def _passed(self, rule: CostRule, now: str) -> Iterator[Notice]:
        period = now[: _PERIODS[rule.period]]
        for place in self._sums.keys() | self._others.keys():
            kind, name, when = place
            usd = self._sums.get(place, 0.0) + self._others.get(place, 0.0)
            if kind == rule.subject and when == period and rule.name in (None, name) and usd >= rule.usd:
                yield Notice(
                    "cost", f"cost {kind} {name} {rule.usd:g} {period}",
                    f"Calls{_of(kind, name)} have cost {usd_text(usd)} in {period}, past {usd_text(rule.usd)}.",
                    {"subject": kind, "name": name or None, "period": period, "usd": usd, "threshold_usd": rule.usd},
                )  # fmt: skip


def _of(kind: str, name: str) -> str:
    return f" of {kind.replace('_', ' ')} {name}" if name else ""
