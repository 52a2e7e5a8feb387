"""Amounts of money in words."""

from __future__ import annotations

import math


def usd_text(usd: float) -> str:
    """Return an amount of US dollars so that people can read it, however small it is."""
    size = abs(usd)
    places = 2 if size >= 1 or size == 0 else max(2, 1 - math.floor(math.log10(size)))
    return f"{usd:,.{places}f} USD"
