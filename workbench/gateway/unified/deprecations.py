"""Models that are past their day: what their callers are told, in a header and in errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date

_DAY_SECONDS = 86400
_EPOCH = date(1970, 1, 1).toordinal()


class Deprecations:
    """The days of models that have one; most gateways have none, and look no further."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._told: dict[str, tuple[int, str]] = {}

    def load(self, days: Mapping[str, tuple[date, str | None]]) -> None:
        """Take over the day and the successor of each model that has a day."""
        self._told = {
            name: (day.toordinal() - _EPOCH, _sentence(name, day, successor)) for name, (day, successor) in days.items()
        }

    def of(self, model: str | None) -> str | None:
        """Return what callers of a model are told; None before its day, and of models that have none."""
        if not self._told or model is None:
            return None
        found = self._told.get(model)
        if found is None or self._clock() < found[0] * _DAY_SECONDS:
            return None
        return found[1]


def _sentence(name: str, day: date, successor: str | None) -> str:
    instead = f"use {successor!r}" if successor else "choose another with `workbench models recommend`"
    return f"Model {name!r} is deprecated since {day.isoformat()}: {instead}."
