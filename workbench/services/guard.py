"""Run one command and let nothing of it outlive the process that started the guard.

`python -m workbench.services.guard [--grace S] -- CMD...` ends CMD and all that CMD started when its own stdin reaches
EOF: the parent closed it, or died, even by kill -9. Processes that were started to be shared (`DETACHED`) are spared.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

DETACHED = "WORKBENCH_DETACHED"
"""Environment variable of processes, and of their children, that outlive whoever started them."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_STRAGGLERS_GRACE = 1.0  # seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code, or 128 + signal."""
    parser = argparse.ArgumentParser(prog="python -m workbench.services.guard")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds between asking to end and killing")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    # Children of a child that died come to us, so that they are found below whatever they did to hide.
    _prctl(_PR_SET_CHILD_SUBREAPER)
    woken, asked_to_end = _signals()
    child = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # Should the guard itself be killed, the command still hears of it. No thread runs here.
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509
    )
    while child.poll() is None:
        ready, _, _ = select.select([0, woken], [], [])
        if (0 in ready and not os.read(0, 4096)) or asked_to_end:
            break
        if woken in ready:
            os.read(woken, 4096)
            _reap_all_but(child.pid)
    # The command knows best how to end its own children; only then what it left behind is ended.
    child.terminate()
    try:
        code = child.wait(options.grace)
    except subprocess.TimeoutExpired:
        child.kill()
        code = child.wait()
    _end_stragglers()
    return code if code >= 0 else 128 - code


def _signals() -> tuple[int, list[int]]:
    """Return a descriptor that is readable after each signal, and the list of the signals that ask to end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: asked.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading, asked


def _reap_all_but(pid: int) -> None:
    """Bury adopted processes that died; the command itself is left to `Popen`."""
    with contextlib.suppress(psutil.Error, ChildProcessError):
        for process in psutil.Process().children():
            if process.pid != pid and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def _end_stragglers() -> None:
    """Ask each to end, then kill what is left; what they start meanwhile is found as well."""
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + _STRAGGLERS_GRACE
    while left := [p for p in psutil.Process().children(recursive=True) if _is_running(p) and not _is_detached(p)]:
        late = time.monotonic() > deadline
        for process in left:
            with contextlib.suppress(psutil.Error):
                if late:
                    process.kill()
                elif process not in asked:
                    asked.add(process)
                    process.terminate()
        psutil.wait_procs(left, timeout=0.1)


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_detached(process: psutil.Process) -> bool:
    try:
        return DETACHED in process.environ()
    except psutil.Error:
        return False


def _prctl(option: int, value: int = 1) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
