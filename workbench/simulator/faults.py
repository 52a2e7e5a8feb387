"""What can go wrong at a provider, as rows that are laid in wait for the next requests."""

from __future__ import annotations

from typing import Literal

import msgspec


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One way to fail, for the next `times` requests that it fits."""

    kind: Literal["status", "hang", "reset", "cut", "stall", "error", "slow", "malformed", "huge", "html", "redirect"]
    """`status`: an error status; `hang`: no answer; `reset`: the connection is closed without a byte; `cut` and
    `stall`: the connection is closed, or silent, after `frames` frames; `error`: an error event after them;
    `slow`: `seconds` before each frame; `malformed`, `huge`, `html`, `redirect`: an answer with status 200 (302) that
    is none."""
    times: int = 1
    """For how many requests; 0 for all to come."""
    model: str | None = None
    """Only requests for this model; None: all."""
    status: int = 500
    """For `status`."""
    headers: dict[str, str] = {}
    """For `status`, such as `{"retry-after": "7"}`."""
    message: str = "simulated"
    """For `status`: what the error says."""
    frames: int = 2
    """For `cut` and `stall`; for a plain answer, any number breaks it off in the middle."""
    seconds: float = 0.05
    """For `slow`."""


class Faults:
    """The faults that wait, in the order in which they were laid."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Lay a fault in wait."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        self._waiting.clear()

    def next_for(self, model: str) -> Fault | None:
        """Return the fault that meets a request, if one waits; it is used up by that."""
        for fault in self._waiting:
            if fault.model in (None, model):
                if fault.times == 1:
                    self._waiting.remove(fault)
                elif fault.times:
                    fault.times -= 1
                return fault
        return None
