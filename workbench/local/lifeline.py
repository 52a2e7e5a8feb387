"""How our processes start and end: standard input is the lifeline that ties each to the one that started it.

A process ends when its standard input reaches EOF, so nothing outlives a parent that died, however it died. Engines
are told what to serve in the first line of it, and say where they listen in the first line of standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any, NoReturn


def threads() -> int:
    """Return how many threads an engine computes with: half of the cores that we may use, at least 1, at most 4."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(4, cores // 2))


def read_orders() -> dict[str, Any]:
    """Return what the first line of standard input orders, a JSON object."""
    orders: dict[str, Any] = json.loads(sys.stdin.readline())
    return orders


def say(message: dict[str, str]) -> None:
    """Print the one line that the parent waits for; what is printed later goes to standard error."""
    print(json.dumps(message), flush=True)  # noqa: T201 - the contract with the parent
    os.dup2(2, 1)


def end_at_eof() -> None:
    """From now on end this process as soon as standard input does, whatever it is doing."""

    def watch() -> None:
        _wait_for_eof()
        leave()

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def the_end() -> asyncio.Event:
    """Return what is set when standard input ends, or at SIGTERM or SIGINT, from now on."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def watch() -> None:
        _wait_for_eof()
        loop.call_soon_threadsafe(over.set)

    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
    threading.Thread(target=watch, daemon=True, name="lifeline").start()
    return over


def leave() -> NoReturn:
    """End the process now: threads of native libraries are not waited for."""
    sys.stderr.flush()
    os._exit(0)


def _wait_for_eof() -> None:
    while os.read(0, 4096):
        pass
