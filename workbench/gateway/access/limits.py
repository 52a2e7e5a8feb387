"""What a key is held to: how often, how much at once, and for how much money. Data only; admission counts."""

from __future__ import annotations

from typing import Annotated

import msgspec

MOST_USD = 1_000_000.0
"""Largest budget: sums of money are counted in whole picodollars, in 64 bits."""
_MOST = 1_000_000_000

_Count = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
_Usd = Annotated[float, msgspec.Meta(ge=0, le=MOST_USD)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of a key; None: no limit."""

    requests_per_minute: _Count | None = None
    """Calls that may begin in any 60 seconds."""
    tokens_per_minute: _Count | None = None
    """Input and output tokens in any 60 seconds."""
    concurrent: _Count | None = None
    """Calls on their way at once."""


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Money that a key may spend, in US dollars; None: no bound. 0 refuses every call that costs money."""

    usd_per_day: _Usd | None = None
    """In a day of the UTC calendar."""
    usd_per_month: _Usd | None = None
    """In a month of the UTC calendar."""
    usd_total: _Usd | None = None
    """In the key's whole life."""


NO_LIMITS = Limits()
NO_BUDGET = Budget()
