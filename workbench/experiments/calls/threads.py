"""A few daemon threads for what blocks: callables, and clients that can't be awaited.

They are daemons, unlike those of `concurrent.futures`: a call that hangs keeps neither the notebook nor the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Work = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Threads:
    """Run functions, each in a thread, `count` at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()

    async def run(self, function: Callable[[], T]) -> T:
        """Return what a function returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._waiting.put((function, loop, result))
        self._busy += 1
        if len(self._threads) < min(self._count, self._busy):
            thread = threading.Thread(target=self._take, name=f"experiment-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        try:
            return await result
        finally:
            self._busy -= 1

    def close(self) -> None:
        """Let the threads end, each after the call that it is in."""
        for _ in self._threads:
            self._waiting.put(None)

    def _take(self) -> None:
        while (work := self._waiting.get()) is not None:
            function, loop, result = work
            made, error = None, None
            try:
                made = function()
            except BaseException as raised:  # noqa: BLE001 - it is raised where the result is awaited
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, result, made, error)


def _tell(result: asyncio.Future[Any], made: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if isinstance(error, StopIteration):  # which no future takes
        error = RuntimeError("A callable raised StopIteration.")
    if error is None:
        result.set_result(made)
    else:
        result.set_exception(error)
