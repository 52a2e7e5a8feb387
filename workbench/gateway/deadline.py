"""The waits of a call: first token, idle, total.

All calls share one look at the clock, twenty times a second: a timer for each would cost more than the key check, and
moving a deadline costs an assignment.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from workbench.errors import ProviderTimeout

_TICK_SECONDS = 0.05


class _Watch:
    """The deadlines that are waited for in one event loop."""

    def __init__(self) -> None:
        self._ticking = False
        self.waiting: set[Deadline] = set()

    def add(self, deadline: Deadline) -> None:
        """Look at a deadline from now on."""
        self.waiting.add(deadline)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(_TICK_SECONDS, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [one for one in self.waiting if one.due <= now]:
            self.waiting.discard(deadline)
            deadline.fire()
        self._ticking = bool(self.waiting)
        if self._ticking:
            loop.call_later(_TICK_SECONDS, self._look)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


class Deadline:
    """Turns waiting too long inside its `with` block into a ProviderTimeout."""

    __slots__ = (
        "_fired",
        "_loop",
        "_provider",
        "_seconds",
        "_task",
        "_total",
        "_total_due",
        "_watch",
        "_what",
        "due",
    )

    def __init__(self, total: float, task: asyncio.Task[Any] | None = None) -> None:
        """Bound what a task does, the one that runs now if none is given, to `total` seconds."""
        self._task = task or asyncio.current_task()
        assert self._task is not None
        self._loop = self._task.get_loop()
        watch = _watches.get(self._loop)
        self._watch = watch if watch is not None else _watches.setdefault(self._loop, _Watch())
        self._total = total
        self._total_due = self._loop.time() + total
        self._fired = False
        self._provider = ""
        self.rest()

    def expect(self, seconds: float, what: str, provider: str) -> None:
        """Wait at most `seconds` from now for a provider; `what` says what it failed to do."""
        due = self._loop.time() + seconds
        if due >= self._total_due:
            self.rest()
        else:
            self.due, self._seconds, self._what = due, seconds, what
        self._provider = provider

    def begin(self, provider: str) -> None:
        """Turn to another provider; nothing is expected of it yet but to end within the whole call."""
        self._provider = provider
        self.rest()

    @property
    def fired(self) -> bool:
        """Whether the last wait was too long."""
        return self._fired

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
        self.due, self._seconds, self._what = self._total_due, self._total, "did not finish its answer"

    def __enter__(self) -> None:
        self._fired = False
        self._watch.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.waiting.discard(self)
        if self._fired and kind is asyncio.CancelledError:
            assert self._task is not None
            self._task.uncancel()
            raise ProviderTimeout(
                f"Provider {self._provider!r} {self._what} within {self._seconds:g} s.",
                hint="It may be overloaded. Stream the call, or have the admin raise [gateway] timeouts.",
            ) from error

    def fire(self) -> None:
        """End the wait: the time is over."""
        self._fired = True
        assert self._task is not None
        self._task.cancel()
