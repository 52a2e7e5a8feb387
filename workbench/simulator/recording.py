"""What the simulator saw: every request as it arrived, and how it ended."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Seen(msgspec.Struct, kw_only=True):
    """One request."""

    path: str
    """Path and query."""
    headers: dict[str, str]
    """Headers, names in lower case."""
    body: Any
    """The JSON body; None if it was none."""
    status: int = 0
    """Status that was answered; 0 while there is none."""
    frames: int = 0
    """Events of a stream that went out."""
    ended: Literal["open", "answered", "client_left", "broken"] = "open"
    """How it ended; `broken` is a fault that was asked for."""


class Recording:
    """All requests since the last `clear`."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []

    def begin(self, *, path: str, headers: dict[str, str], body: Any) -> Seen:
        """Note a request."""
        seen = Seen(path=path, headers=headers, body=body)
        self.requests.append(seen)
        return seen

    def clear(self) -> None:
        """Forget what was seen."""
        self.requests.clear()
