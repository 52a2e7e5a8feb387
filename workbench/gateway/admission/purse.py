"""The money of one subject: spent and held together never pass a cap. Days and months are those of the UTC calendar."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from workbench.gateway.access.limits import Budget
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.calendar import day_of, month_of, until_next_month, until_tomorrow
from workbench.gateway.admission.cells import Cells
from workbench.gateway.admission.subject import Raise
from workbench.gateway.ledger.reports import Spent

_PICO = 10**12
_MOST = 4 * 10**18
"""More than anybody spends, and less than a cell can hold."""
_PARTS = (
    ("usd_per_day", c.SPENT_DAY, c.WARNED_DAY),
    ("usd_per_month", c.SPENT_MONTH, c.WARNED_MONTH),
    ("usd_total", c.SPENT, c.WARNED),
)
THRESHOLDS = (50, 80, 100)
"""Percents of a budget that are told of."""
_ALL_TOLD = len(THRESHOLDS)
_SPENT = (c.SPENT, c.SPENT_DAY, c.SPENT_MONTH)


def picodollars(usd: float) -> int:
    """Return an amount of US dollars as it is counted, to the nearest."""
    return round(usd * _PICO)


def at_most(usd: float) -> int:
    """Return an amount of US dollars as it is counted, rounded up."""
    return math.ceil(usd * _PICO)


def dollars(pico: int) -> float:
    """Return a counted amount in US dollars."""
    return pico / _PICO


class Cap(NamedTuple):
    """One part of a budget as it is counted."""

    name: str
    """Its name in the budget."""
    amount: int
    """The most, in picodollars."""
    spent: int
    """The cell of what was spent."""
    warned: int
    """The cell of how many thresholds were told."""


class Threshold(NamedTuple):
    """A threshold that was passed just now."""

    name: str
    """The part of the budget."""
    percent: int
    """The threshold."""
    cap: float
    """The most, in US dollars."""
    spent: float
    """What was spent, in US dollars."""


class Purse:
    """What one subject may still spend, with the raises that hold at a time."""

    __slots__ = ("_cells", "caps", "until")

    def __init__(self, cells: Cells, budget: Budget, raises: Iterable[Raise] = (), now: float = 0.0) -> None:
        self._cells = cells
        open_ = [one for one in raises if one.until > now]
        self.until = min((one.until for one in open_), default=math.inf)
        """When the first raise ends, in seconds since the epoch: then the purse must be made anew."""
        self.caps: list[Cap] = []
        """The parts of the budget."""
        for name, spent, warned in _PARTS:
            cap = getattr(budget, name)
            if cap is not None:
                more = sum(picodollars(getattr(one.budget, name) or 0.0) for one in open_)
                self.caps.append(Cap(name, min(picodollars(cap) + more, _MOST), spent, warned))

    @property
    def bounded(self) -> bool:
        """Whether there is a budget at all."""
        return bool(self.caps)

    def add_history(self, spent: Spent, now: float) -> None:
        """Add what the ledger tells, in the day and month that it told it for."""
        cells = self._cells
        cells[c.SPENT] += picodollars(spent.total)
        read = now if spent.at is None else spent.at
        if day_of(read) == cells[c.DAY]:
            cells[c.SPENT_DAY] += picodollars(spent.day)
            cells[c.REQUESTS_DAY] += spent.requests_day
            cells[c.TOKENS_DAY] += spent.tokens_day
        if month_of(read) == cells[c.MONTH]:
            cells[c.SPENT_MONTH] += picodollars(spent.month)

    @property
    def deposited(self) -> int:
        """What is held for batches that have not ended, as it was seen last."""
        return self._cells[c.DEPOSITED]

    @deposited.setter
    def deposited(self, amount: int) -> None:
        self._cells[c.DEPOSITED] = max(0, amount)

    def left(self) -> int:
        """Return what may be spent if everything that calls hold is given back."""
        return self._unspent() - self._cells[c.DEPOSITED]

    def room(self) -> int:
        """Return what may be held beside what calls hold; of this, leases give what no batch holds."""
        return self._unspent() - self._cells[c.HELD]

    def opens_in(self, need: int, now: float) -> int | None:
        """Return the seconds until a day or month begins in which so much may be spent; None: in none."""
        cells, wait = self._cells, 0
        for name, amount, spent, _ in self.caps:
            if cells[spent] + need <= amount:
                continue
            if amount < need or name == "usd_total":
                return None
            wait = max(wait, until_next_month(cells, now) if name == "usd_per_month" else until_tomorrow(cells, now))
        return wait or None

    def _unspent(self) -> int:
        cells, least = self._cells, _MOST
        for _, amount, spent, _ in self.caps:
            least = min(least, amount - cells[spent])
        return least

    def hold(self, amount: int, share: int) -> None:
        """Hold an amount, or with a negative one give it back."""
        self._cells[c.HELD] += amount
        self._cells[share] += amount

    def spend(self, amount: int) -> None:
        """Book what was spent."""
        if not amount:
            return
        cells = self._cells
        for place in _SPENT:
            cells[place] = min(cells[place] + amount, _MOST)

    @property
    def nears_a_threshold(self) -> bool:
        """Whether some threshold may have been passed and not yet told."""
        cells = self._cells
        for _, amount, spent, warned in self.caps:
            told = cells[warned]
            if told < _ALL_TOLD and 100 * cells[spent] >= THRESHOLDS[told] * amount:
                return True
        return False

    def warnings(self, *, refused: bool = False) -> Iterator[Threshold]:
        """Yield each threshold that was passed and not yet told.

        A call that was `refused` for what is left passes the last one, if half of a budget is spent.
        """
        cells = self._cells
        for cap in self.caps:
            told = cells[cap.warned]
            spent = passed = self._passed(cap)
            if refused and passed and cap.amount - cells[cap.spent] - cells[c.HELD] == self.room():
                passed = len(THRESHOLDS)
            if passed > told:
                cells[cap.warned] = passed
                for percent in (*THRESHOLDS[told:spent], *THRESHOLDS[max(spent, passed - 1) : passed]):
                    yield Threshold(cap.name, percent, dollars(cap.amount), dollars(cells[cap.spent]))

    def warn_anew(self) -> None:
        """Let thresholds be told again that are not passed any more, since the budget has grown."""
        for cap in self.caps:
            self._cells[cap.warned] = min(self._cells[cap.warned], self._passed(cap))

    def _passed(self, cap: Cap) -> int:
        spent = self._cells[cap.spent]
        return sum(100 * spent >= percent * cap.amount for percent in THRESHOLDS) if cap.amount else 0

    def told(self) -> dict[str, float]:
        """Return what is left of each part of the budget, in US dollars."""
        cells = self._cells
        held = cells[c.HELD] + cells[c.DEPOSITED]
        return {cap.name: dollars(max(0, cap.amount - cells[cap.spent] - held)) for cap in self.caps}
