"""What a simulated provider answers: one body, or frames of a stream, or a refusal in its protocol's shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from workbench.simulator.billing.used import Used

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An answer of one body."""

    body: Any
    """JSON value, or bytes as they go out."""
    status: int = 200
    """HTTP status."""
    content_type: str = JSON
    """Its content type."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""
    tokens: int = 0
    """What it counts against a quota of tokens."""
    used: tuple[Used, ...] = ()
    """What is charged for it."""

    @property
    def raw(self) -> bytes:
        """Return the body as it goes out."""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


@dataclass(frozen=True, kw_only=True)
class Frames:
    """An answer that comes in frames."""

    frames: Iterator[bytes]
    """Each as it goes out, the terminal one last."""
    content_type: str = SSE
    """Content type of the stream."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers."""
    tokens: int = 0
    """What it counts against a quota of tokens."""
    used: tuple[Used, ...] = ()
    """What is charged for it."""
    binary: bool = False
    """Whether the frames are pieces of a file, so that no error can be told among them."""


Reply = Whole | Frames


class Refused(Exception):
    """A request that a provider does not take."""

    def __init__(self, status: int, message: str, *, code: str | None = None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after
