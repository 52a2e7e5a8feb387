"""What a model takes for a call, as the gateway's catalogue lists it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a model takes, in US dollars."""

    input: float
    """Of a million tokens of prompts."""
    output: float
    """Of a million tokens of answers."""
    call: float = 0.0
    """Of a call, beside its tokens."""

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """Return what a call costs."""
        return (input_tokens * self.input + output_tokens * self.output) / _MILLION + self.call


def listed_price(row: Mapping[Any, Any]) -> Price | None:
    """Return the price in a row of the catalogue; None: nobody knows it."""
    read, written = number(row.get("price.input")), number(row.get("price.output"))
    pieces = sum(number(row.get(f"price.{piece}")) or 0.0 for piece in ("call", "image"))
    return None if read is None or written is None else Price(read, written, pieces)


def number(value: Any) -> float | None:
    """Return a number of the catalogue; None where it says none."""
    return None if value is None or math.isnan(value) else float(value)
