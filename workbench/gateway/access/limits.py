"""What a subject is held to: how often, how much at once, and for how much money. Data only; admission counts."""

from __future__ import annotations

from typing import Annotated

import msgspec

MOST_USD = 1_000_000.0
"""Largest budget: sums of money are counted in whole picodollars, in 64 bits."""
MOST_COUNT = 1_000_000_000
"""Largest limit."""

_Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_COUNT)]
_Rate = Annotated[float, msgspec.Meta(ge=0.001, le=1_000_000)]
_Usd = Annotated[float, msgspec.Meta(ge=0, le=MOST_USD)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often and how much at once; None: no limit. Days are those of the UTC calendar."""

    requests_per_minute: _Count | None = None
    """Calls that may begin in any 60 seconds."""
    tokens_per_minute: _Count | None = None
    """Input and output tokens in any 60 seconds."""
    concurrent: _Count | None = None
    """Calls on their way at once."""
    requests_per_second: _Rate | None = None
    """Calls that may begin in a second, on the average."""
    burst: _Count | None = None
    """Calls that may begin at once after a pause; None: as many as in a second, one at least."""
    requests_per_day: _Count | None = None
    """Calls that may begin in a day."""
    tokens_per_day: _Count | None = None
    """Input and output tokens in a day."""

    def __post_init__(self) -> None:
        """Raise ValueError for a burst of nothing."""
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst needs requests_per_second")


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Money that may be spent, in US dollars; None: no bound. 0 refuses every call that costs money."""

    usd_per_day: _Usd | None = None
    """In a day of the UTC calendar."""
    usd_per_month: _Usd | None = None
    """In a month of the UTC calendar."""
    usd_total: _Usd | None = None
    """In all."""


NO_LIMITS = Limits()
NO_BUDGET = Budget()
