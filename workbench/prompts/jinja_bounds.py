"""How much one rendering of a template may do: steps, characters, and seconds."""

from __future__ import annotations

import time
from typing import Any

MOST_STEPS = 100_000
"""Turns of all loops and calls together."""
MOST_CHARACTERS = 1_000_000
"""Characters written, those included that are put together on the way."""
MOST_SECONDS = 2.0
_MOST_BITS = 4096
"""Of a whole number that is worked out."""


class TooMuch(Exception):
    """A bound is passed."""


class Bounds:
    """What one rendering has done so far."""

    def __init__(self) -> None:
        self._steps = 0
        self._characters = 0
        self._ends = time.monotonic() + MOST_SECONDS

    def step(self, text: int = 0) -> None:
        """Count a turn of a loop, which writes at least so many characters, or a call."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TooMuch(f"its loops take more than {MOST_STEPS:,} turns")
        self.add_length(text)

    def add(self, text: str, *, told: bool = False) -> None:
        """Count a text that is written; one that was counted before is only looked at for the time."""
        self.add_length(0 if told else len(text))

    def add_length(self, characters: int) -> None:
        """Count characters, before they are there."""
        self._characters += max(0, characters)
        if self._characters > MOST_CHARACTERS:
            raise TooMuch(f"it writes more than {MOST_CHARACTERS:,} characters")
        if time.monotonic() > self._ends:
            raise TooMuch(f"it takes more than {MOST_SECONDS:g} seconds")

    def fits(self, size: int) -> None:
        """Look at the size of one value, and at the time; nothing is counted."""
        if size > MOST_CHARACTERS:
            raise TooMuch(f"it puts more than {MOST_CHARACTERS:,} characters and items together")
        self.add_length(0)

    def weigh(self, value: Any) -> int:
        """Return how many characters and items a value holds, however nested: what stands in it twice counts twice."""
        size, rest = 0, [value]
        while rest and size <= MOST_CHARACTERS:
            each = rest.pop()
            if isinstance(each, int):
                size += each.bit_length() // 3  # digits
            elif isinstance(each, (str, list, tuple, dict)):
                size += len(each)
                if isinstance(each, dict):
                    rest += [*each, *each.values()]
                elif not isinstance(each, str):
                    rest += each
        self.fits(size)
        return size

    def before(self, operator: str, left: Any, right: Any) -> None:
        """Look at what an operator is to make, before it does."""
        self.step()
        sizes = [len(each) for each in (left, right) if isinstance(each, (str, list, tuple))]
        if operator == "%" and isinstance(left, str):
            raise TooMuch("texts are not formatted by %")  # a width may be anything
        if sizes:
            times = next((each for each in (left, right) if isinstance(each, int)), 1) if operator == "*" else 1
            self.add_length(sum(sizes) * times)
        elif isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            if bits > _MOST_BITS:
                raise TooMuch("it works out numbers that have no place in a prompt")
