"""One timer for all the waits of a call: first token, idle, total.

Moving the time costs an assignment, not a new timer: when the timer goes off early it is set again.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from workbench.errors import ProviderTimeout


class Deadline:
    """Turns waiting too long inside its `with` block into a ProviderTimeout."""

    __slots__ = (
        "_armed_for",
        "_due",
        "_fired",
        "_handle",
        "_loop",
        "_provider",
        "_seconds",
        "_task",
        "_total",
        "_total_due",
        "_what",
    )

    def __init__(self, total: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._total = total
        self._total_due = self._loop.time() + total
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._fired = False
        self._provider = ""
        self.rest()

    def expect(self, seconds: float, what: str, provider: str) -> None:
        """Wait at most `seconds` from now for a provider; `what` says what it failed to do."""
        due = self._loop.time() + seconds
        if due >= self._total_due:
            self.rest()
        else:
            self._due, self._seconds, self._what = due, seconds, what
        self._provider = provider
        if self._handle is not None and self._armed_for > self._due:
            self._handle.cancel()
            self._arm()

    def begin(self, provider: str) -> None:
        """Turn to another provider; nothing is expected of it yet but to end within the whole call."""
        self._provider = provider
        self.rest()

    @property
    def spent(self) -> bool:
        """Whether the time of the whole call is over."""
        return self._loop.time() >= self._total_due

    @property
    def left(self) -> float:
        """Seconds that are left for the whole call."""
        return self._total_due - self._loop.time()

    def rest(self) -> None:
        """Wait for nothing but the end of the whole call."""
        self._due, self._seconds, self._what = self._total_due, self._total, "did not finish its answer"

    def _arm(self) -> None:
        self._armed_for = self._due
        self._handle = self._loop.call_at(self._due, self._look)

    def __enter__(self) -> None:
        self._fired = False
        self._arm()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._fired and kind is asyncio.CancelledError:
            assert self._task is not None
            self._task.uncancel()
            raise ProviderTimeout(
                f"Provider {self._provider!r} {self._what} within {self._seconds:g} s.",
                hint="It may be overloaded. Stream the call, or have the admin raise [gateway] timeouts.",
            ) from error

    def _look(self) -> None:
        if self._loop.time() < self._due:
            self._arm()
            return
        self._handle = None
        self._fired = True
        assert self._task is not None
        self._task.cancel()
