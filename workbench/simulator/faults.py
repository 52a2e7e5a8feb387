"""What can go wrong at a provider, as rows that are laid in wait for the next requests."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from workbench.simulator.exchange import Exchange

FaultKind = Literal[
    "status", "latency", "hang", "reset", "cut", "stall", "error", "corrupt", "slow", "drip",
    "malformed", "huge", "html", "mislabelled", "redirect",
]  # fmt: skip


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One way to fail, for the next `times` requests that it fits."""

    kind: FaultKind
    """`status`: an error status; `latency`: `seconds` before the answer; `hang`: no answer; `reset`: the connection is
    closed without a byte; `cut` and `stall`: it is closed, or silent, after `frames` frames; `error` and `corrupt`: an
    error event, or a frame that can't be read, after them; `slow`: `seconds` before each frame; `drip`: byte by byte,
    `seconds` before each; `malformed`, `huge`, `html`, `redirect`: an answer with status 200 (302) that is none;
    `mislabelled`: the right answer as text/plain."""
    times: int = 1
    """For how many requests; 0 for all to come."""
    model: str | None = None
    """Only requests for this model or Azure deployment; None: all."""
    region: str | None = None
    """Only requests to `/region/{name}/...`; None: all."""
    path: str | None = None
    """Only requests whose path, without the region, fits this shell pattern; None: all."""
    provider: str | None = None
    """Only requests of this protocol: openai azure anthropic gemini vertex bedrock ollama tokens; None: all."""
    status: int = 500
    """For `status`."""
    headers: dict[str, str] = {}
    """For `status`, such as `{"retry-after": "7"}`."""
    message: str = "simulated"
    """For `status` and `error`: what the error says."""
    code: str | None = None
    """For `status`: the protocol's own word for the error; None: the one that belongs to the status."""
    frames: int = 2
    """For `cut`, `stall`, `error` and `corrupt`; for a plain answer, any number breaks it off in the middle."""
    seconds: float = 0.05
    """For `latency`, `slow` and `drip`."""

    def fits(self, exchange: Exchange, provider: str) -> bool:
        """Return whether it meets a request."""
        return (
            self.model in (None, exchange.model)
            and self.region in (None, exchange.region)
            and self.provider in (None, provider)
            and (self.path is None or fnmatchcase(exchange.path, self.path))
        )


class Faults:
    """The faults that wait, in the order in which they were laid."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    @property
    def waiting(self) -> list[Fault]:
        """Return those that have not been used up."""
        return list(self._waiting)

    def add(self, fault: Fault) -> None:
        """Lay a fault in wait."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        self._waiting.clear()

    def next_for(self, exchange: Exchange, provider: str) -> Fault | None:
        """Return the fault that meets a request, if one waits; it is used up by that."""
        for fault in self._waiting:
            if fault.fits(exchange, provider):
                if fault.times == 1:
                    self._waiting.remove(fault)
                elif fault.times:
                    fault.times -= 1
                return fault
        return None
