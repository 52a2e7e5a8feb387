"""The UTC calendar of one row: days and months begin, and a clock that steps back begins none again."""

from __future__ import annotations

import calendar
import time

from workbench.gateway.admission import cells as c
from workbench.gateway.admission.cells import Cells

DAY_SECONDS = 86400


def day_of(now: float) -> int:
    """Return the number of a day."""
    return int(now // DAY_SECONDS)


def month_of(now: float) -> int:
    """Return the number of a month."""
    date = time.gmtime(now)
    return 12 * date.tm_year + date.tm_mon


def turn(cells: Cells, now: float) -> None:
    """Begin a new day or month in a row, where the calendar did."""
    day = day_of(now)
    if day <= cells[c.DAY]:
        return
    cells[c.DAY] = day
    for place in (c.SPENT_DAY, c.REQUESTS_DAY, c.TOKENS_DAY, c.WARNED_DAY):
        cells[place] = 0
    month = month_of(now)
    if month > cells[c.MONTH]:
        cells[c.MONTH] = month
        cells[c.SPENT_MONTH] = cells[c.WARNED_MONTH] = 0


def until_next_month(cells: Cells, now: float) -> int:
    """Return the seconds until the month of a row ends."""
    year, month = divmod(cells[c.MONTH], 12)  # December is the 0 of the year after
    begins = calendar.timegm((year, month + 1, 1, 0, 0, 0))
    return max(1, int(begins - now) + 1)


def until_tomorrow(cells: Cells, now: float) -> int:
    """Return the seconds until the day of a row ends."""
    return max(1, int((cells[c.DAY] + 1) * DAY_SECONDS - now) + 1)
