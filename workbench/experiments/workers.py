"""A few threads that take jobs one after the other until they are done or told to stop."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from workbench.experiments.cell import Cell, Job

_LOOK_SECONDS = 0.2


class Workers:
    """Run jobs in threads and yield their cells in the order in which they end.

    The threads are daemons: a call that hangs keeps neither the notebook nor the process.
    """

    def __init__(self, jobs: Sequence[Job], work: Callable[[Job], Cell], *, count: int, stop: threading.Event) -> None:
        self._jobs = iter(jobs)
        self._taking = threading.Lock()
        self._work = work
        self._stop = stop
        self._ended: queue.SimpleQueue[Cell | BaseException | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._take, name=f"experiment-{number}", daemon=True)
            for number in range(min(count, len(jobs)))
        ]

    def __iter__(self) -> Iterator[Cell]:
        """Yield cells until every thread has ended; an error that a job raised is raised here."""
        for thread in self._threads:
            thread.start()
        while not self._all_read:
            if (cell := self._next()) is not None:
                yield cell

    def finish(self, seconds: float) -> Iterator[Cell]:
        """Send nothing more; yield the cells whose calls are under way and end within `seconds`."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        while not self._all_read and time.monotonic() < deadline:
            try:
                if (cell := self._next()) is not None:
                    yield cell
            except Exception:  # noqa: BLE001, S112 - the first error is being told already
                continue

    @property
    def _all_read(self) -> bool:
        # The threads are looked at, not counted: an interrupt may hit whoever counts between two lines.
        return not any(thread.is_alive() for thread in self._threads) and self._ended.empty()

    def _next(self) -> Cell | None:
        try:
            # A short wait instead of an endless one: on some platforms an interrupt does not end the latter.
            ended = self._ended.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def _take(self) -> None:
        try:
            while not self._stop.is_set():
                with self._taking:
                    job = next(self._jobs, None)
                if job is None:
                    break
                self._ended.put(self._work(job))
        except BaseException as error:  # noqa: BLE001 - it is raised where the cells are read
            self._stop.set()
            self._ended.put(error)
        finally:
            self._ended.put(None)  # wakes the reader
