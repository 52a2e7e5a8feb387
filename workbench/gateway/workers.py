"""Several worker processes on one port: a parent that starts, watches, restarts and stops them.

Each listens by itself, and the kernel deals out connections (SO_REUSEPORT). A worker ends with its parent: its standard
input is the line between them. The first one to start makes what is not there yet, before the others look for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

from workbench.errors import Unavailable

_log = logging.getLogger("workbench.gateway.workers")

READY = "worker ready"
_SHORT_LIFE = 5.0
_MOST_FAILURES = 5
"""Ends in a row, each soon after its start, after which no other start is tried."""


class Workers:
    """The workers of one gateway."""

    def __init__(
        self, count: int, command: Callable[[int], list[str]], *, gone: Callable[[int], None] = lambda _worker: None
    ) -> None:
        """`command` starts a worker; `gone` is called when one has ended by itself, before it is started again."""
        self._count = count
        self._command = command
        self._gone = gone
        self._processes: dict[int, Process] = {}
        self._stopping = False
        self._failed: int | None = None

    async def run(self, *, ready: Callable[[], None]) -> int:
        """Run them until SIGTERM, and call `ready` when all serve; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        await self._start(0)
        if self._failed is None:
            await asyncio.gather(*(self._start(worker) for worker in range(1, self._count)))
        if self._failed is None and not self._stopping:
            ready()
        await asyncio.gather(*(self._watch(worker) for worker in list(self._processes)))
        return self._failed or 0

    def stop(self) -> None:
        """Let all of them end after their streams; asked twice, at once."""
        self._stopping = True
        self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _start(self, worker: int) -> None:
        """Start a worker and wait until it serves, or is gone."""
        process = await asyncio.create_subprocess_exec(*self._command(worker), stdin=PIPE, stdout=PIPE)
        self._processes[worker] = process
        if self._stopping:
            process.terminate()
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line.startswith(READY.encode()) and worker == 0 and not self._stopping:
            self._failed = await process.wait() or 1  # it has told why

    async def _watch(self, worker: int) -> None:
        """Wait for the end of a worker, and start it again unless all are to end."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await self._processes[worker].wait()
            if self._stopping or self._failed is not None:
                return
            self._gone(worker)
            failures = failures + 1 if loop.time() - began < _SHORT_LIFE else 1
            if failures > _MOST_FAILURES:
                _log.critical("worker %d does not stay: the gateway ends", worker)
                self._failed = 1
                self.stop()
                return
            _log.error("worker %d ended by itself (%s) and is started again", worker, code)
            await asyncio.sleep(0.1 * 2**failures)
            if not self._stopping:
                await self._start(worker)


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that holds a port for workers and takes no connection itself; raises OSError if it is taken."""
    if not hasattr(socket, "SO_REUSEPORT") or sys.platform == "win32":
        raise Unavailable("Several workers need SO_REUSEPORT, which this system lacks.", hint="Use --workers 1.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:  # another gateway's workers would let us in beside them
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held
