"""The money of one key: spent and held together never pass a cap. Days and months are those of the UTC calendar."""

from __future__ import annotations

import math
import time

from workbench.gateway.access.limits import Budget
from workbench.gateway.admission import cells as c
from workbench.gateway.admission.cells import Cells
from workbench.gateway.ledger.reports import Spent

_PICO = 10**12
_DAY = 86400
_MOST = 4 * 10**18
"""More than anybody spends, and less than a cell can hold."""


def picodollars(usd: float) -> int:
    """Return an amount of US dollars as it is counted, to the nearest."""
    return round(usd * _PICO)


def at_most(usd: float) -> int:
    """Return an amount of US dollars as it is counted, rounded up."""
    return math.ceil(usd * _PICO)


def dollars(pico: int) -> float:
    """Return a counted amount in US dollars."""
    return pico / _PICO


class Purse:
    """What one key may still spend."""

    __slots__ = ("_caps", "_cells")

    def __init__(self, cells: Cells, budget: Budget) -> None:
        self._cells = cells
        caps = ((budget.usd_total, c.SPENT), (budget.usd_per_day, c.SPENT_DAY), (budget.usd_per_month, c.SPENT_MONTH))
        self._caps = [(picodollars(cap), place) for cap, place in caps if cap is not None]

    @property
    def bounded(self) -> bool:
        """Whether there is a budget at all."""
        return bool(self._caps)

    def begin(self, spent: Spent) -> None:
        """Start with what the ledger tells."""
        self.turn()
        cells = self._cells
        cells[c.SPENT], cells[c.SPENT_DAY] = picodollars(spent.total), picodollars(spent.day)
        cells[c.SPENT_MONTH] = picodollars(spent.month)

    def turn(self) -> None:
        """Begin a new day or month where the calendar did; a clock that steps back begins none again."""
        cells = self._cells
        now = time.time()
        day = int(now // _DAY)
        if day <= cells[c.DAY]:
            return
        cells[c.DAY], cells[c.SPENT_DAY] = day, 0
        date = time.gmtime(now)
        month = 12 * date.tm_year + date.tm_mon
        if month > cells[c.MONTH]:
            cells[c.MONTH], cells[c.SPENT_MONTH] = month, 0

    def left(self) -> int:
        """Return what may be spent if everything that is held is given back."""
        return min((cap - self._cells[place] for cap, place in self._caps), default=0)

    def room(self) -> int:
        """Return what may be held beside what is held."""
        return self.left() - self._cells[c.HELD]

    def hold(self, amount: int, share: int) -> None:
        """Hold an amount, or with a negative one give it back."""
        self._cells[c.HELD] += amount
        self._cells[share] += amount

    def spend(self, amount: int) -> None:
        """Book what was spent."""
        cells = self._cells
        for place in (c.SPENT, c.SPENT_DAY, c.SPENT_MONTH):
            cells[place] = min(cells[place] + amount, _MOST)

    def told(self, budget: Budget) -> dict[str, float]:
        """Return what is left of each part of a budget, in US dollars."""
        caps = (
            ("usd_per_day", budget.usd_per_day, c.SPENT_DAY),
            ("usd_per_month", budget.usd_per_month, c.SPENT_MONTH),
            ("usd_total", budget.usd_total, c.SPENT),
        )
        cells = self._cells
        return {
            name: dollars(max(0, picodollars(cap) - cells[place] - cells[c.HELD]))
            for name, cap, place in caps
            if cap is not None
        }
