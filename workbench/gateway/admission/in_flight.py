"""The calls that are on their way, so that a revoked key or a stopping gateway can reach them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from workbench.errors import AuthenticationFailed, Unavailable, WorkbenchError
from workbench.gateway.access.keys import Key


class Interruptible(Protocol):
    """A call as this room sees it."""

    key: Key | None

    def interrupt(self, error: WorkbenchError) -> None:
        """End the call with an error, wherever it is."""


class InFlight:
    """The set of calls that have begun and not ended."""

    def __init__(self) -> None:
        self._calls: set[Interruptible] = set()

    def __iter__(self) -> Iterator[Interruptible]:
        return iter(tuple(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, call: Interruptible) -> None:
        """Note that a call has begun."""
        self._calls.add(call)

    def leave(self, call: Interruptible) -> None:
        """Note that a call has ended."""
        self._calls.discard(call)

    def end_key(self, key: Key) -> None:
        """Cut the calls of a revoked key."""
        for call in list(self._calls):
            if call.key is not None and call.key.id == key.id:
                call.interrupt(
                    AuthenticationFailed(f"Key {key.id} was revoked while this call was answered.", code="revoked")
                )

    def end_all(self) -> None:
        """Cut every call, because the gateway can't wait longer."""
        for call in list(self._calls):
            call.interrupt(Unavailable("The gateway is stopping.", hint="Send the call again.", code="stopping"))
