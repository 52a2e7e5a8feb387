"""The calls of one step of a rollout, side by side, in windows: what goes wrong late is not hidden by what went well.

Windows overlap by half and the last two are kept, so the older one always tells of many calls once there were many.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WINDOW = 10_000
"""Calls of both sides in a window, at least."""
_SMALLER_SIDE = 1_000
"""Calls of the smaller side in a window, as far as it does not get longer than `_LONGEST`."""
_LONGEST = 200_000


@dataclass(frozen=True)
class Calls:
    """What calls of one side did, in the order in which they were told."""

    failed: array[int] = field(default_factory=lambda: array("b"))
    """Of each call, 1 where it failed."""
    latency_ms: array[float] = field(default_factory=lambda: array("d"))
    """Of each call that did not fail, milliseconds."""
    cost_usd: array[float] = field(default_factory=lambda: array("d"))
    """Of each call that did not fail and whose price is known, US dollars."""

    def add(self, call: Mapping[str, Any]) -> None:
        """Take a call: `failed`, `latency_ms` and `cost_usd`."""
        self.failed.append(call["failed"])
        for name, values in (("latency_ms", self.latency_ms), ("cost_usd", self.cost_usd)):
            if call[name] is not None:
                values.append(call[name])


@dataclass(frozen=True)
class Window:
    """Calls of both sides that came one after the other."""

    number: int
    """From 0 in each step."""
    base: Calls = field(default_factory=Calls)
    candidate: Calls = field(default_factory=Calls)

    def __len__(self) -> int:
        return len(self.base.failed) + len(self.candidate.failed)


class StepCalls:
    """The calls of a step in which `weight` percent get the candidate."""

    def __init__(self, weight: float) -> None:
        smaller = min(weight, 100 - weight) / 100
        self._half = min(_LONGEST, max(_WINDOW, math.ceil(_SMALLER_SIDE / smaller))) // 2
        self.windows = [Window(0)]
        """The last one or two, the older first."""
        self.base_n = 0
        """Calls of the base in the whole step."""
        self.candidate_n = 0
        """Calls of the candidate in the whole step."""

    def add(self, call: Mapping[str, Any], *, is_candidate: bool) -> None:
        """Take the next call."""
        if len(self.windows[-1]) >= self._half:
            self.windows = [self.windows[-1], Window(self.windows[-1].number + 1)]
        for window in self.windows:
            (window.candidate if is_candidate else window.base).add(call)
        if is_candidate:
            self.candidate_n += 1
        else:
            self.base_n += 1
