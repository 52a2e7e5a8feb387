"""What somebody should hear of: a budget that nears its end, a provider that is down. Rooms tell; alerts deliver."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to hear of."""

    kind: str
    """What it is: `budget`, `limit_shadow`, `cost`, `error_rate`, `provider_outage`, `ledger` ..."""
    once: str
    """Names the occasion; however many processes tell of it, it is delivered once."""
    text: str
    """A sentence for people."""
    details: dict[str, Any] = field(default_factory=dict)
    """The same for machines: plain JSON, no secret."""


class Notices:
    """Takes notices at once and keeps them until somebody listens; safe only in the event loop's thread."""

    def __init__(self) -> None:
        self._waiting: deque[Notice] = deque(maxlen=_MOST_WAITING)
        self._listener: Callable[[Notice], None] | None = None

    def tell(self, notice: Notice) -> None:
        """Tell of something; never fails and never waits."""
        if self._listener is None:
            self._waiting.append(notice)
        else:
            self._listener(notice)

    def listen(self, listener: Callable[[Notice], None]) -> None:
        """Let `listener` hear everything from now on, and what waits."""
        self._listener = listener
        while self._waiting:
            listener(self._waiting.popleft())
