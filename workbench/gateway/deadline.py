"""One timer for all the waits of a call: first token, idle, total.

Moving the time costs an assignment, not a new timer: when the timer goes off early it is set again.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from workbench.errors import ProviderTimeout


class Deadline:
    """Turns waiting too long inside its `with` block into a ProviderTimeout."""

    __slots__ = ("_due", "_fired", "_handle", "_loop", "_task", "_total_due", "_what", "_whole")

    def __init__(self, total: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._whole = f"no whole answer within {total:g} s"
        self._total_due = self._due = self._loop.time() + total
        self._what = self._whole
        self._handle: asyncio.TimerHandle | None = None
        self._fired = False

    def expect(self, seconds: float, what: str) -> None:
        """Wait at most `seconds` from now; `what` is the sentence for when it was in vain."""
        self._due = min(self._loop.time() + seconds, self._total_due)
        self._what = what if self._due < self._total_due else self._whole
        if self._handle is not None and self._handle.when() > self._due:
            self._handle.cancel()
            self._handle = self._loop.call_at(self._due, self._look)

    def rest(self) -> None:
        """Wait for nothing but the end of the whole call."""
        self._due, self._what = self._total_due, self._whole

    def __enter__(self) -> None:
        self._fired = False
        self._handle = self._loop.call_at(self._due, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._fired and kind is asyncio.CancelledError:
            assert self._task is not None
            self._task.uncancel()
            raise ProviderTimeout(self._what) from error

    def _look(self) -> None:
        if self._loop.time() < self._due:
            self._handle = self._loop.call_at(self._due, self._look)
            return
        self._handle = None
        self._fired = True
        assert self._task is not None
        self._task.cancel()
