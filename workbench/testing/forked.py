"""Gateways that are forked from a process that has loaded their modules, which is most of what a start costs.

Each test process keeps one such process (`python -m workbench.testing.forked`), and asks it by a socket for one more
gateway. A gateway is the child of a keeper, which waits for its end and tells its exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_MOST = 1 << 20
_PATIENCE = 60.0
"""Seconds that the modules may take to load."""


class Forked:
    """A gateway's process, with as much of `subprocess.Popen` as tests use."""

    def __init__(self, pid: int, told: int, stdout: IO[str], args: Sequence[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.args = args
        self.returncode: int | None = None
        self._told = told

    def poll(self) -> int | None:
        """Return its exit code, below zero for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit code, or raise subprocess.TimeoutExpired."""
        if self.returncode is None:
            readable, _, _ = select.select([self._told], [], [], timeout)
            if not readable:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(_word(self._told)))
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that gateways are forked from."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # It belongs to no home, and outlives the test that it was started for: who looks for what a home left running
        # reads the environment that a process began with.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workbench.testing.forked", str(theirs.fileno())],
                env=environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._lock = threading.Lock()
        atexit.register(self.close)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def start(
        self, arguments: Sequence[str], *, environ: Mapping[str, str], stderr: int, translates: bool = False
    ) -> Forked:
        """Start a gateway with the arguments of `python -m workbench.gateway`."""
        reading, writing = os.pipe()
        told, telling = os.pipe()
        order = {
            "arguments": list(arguments),
            "environ": dict(environ),
            "folder": str(Path.cwd()),
            "translates": translates,
        }
        try:
            with self._lock:
                socket.send_fds(self._ours, [json.dumps(order).encode()], [writing, stderr, telling])
        finally:
            os.close(writing)
            os.close(telling)
        if not select.select([told], [], [], _PATIENCE)[0]:
            raise RuntimeError("No gateway was forked: the process with its modules does not answer.")
        pid = _word(told)
        if not pid:
            raise RuntimeError("No gateway was forked: the process with its modules has ended.")
        return Forked(int(pid), told, os.fdopen(reading, "r"), arguments)

    def close(self) -> None:
        """End it; gateways that run go on."""
        self._ours.close()
        self._process.wait(timeout=30)


def _word(told: int) -> bytes:
    """Return what stands before the next line end; nothing at the end of the pipe."""
    word = b""
    while (byte := os.read(told, 1)) not in (b"", b"\n"):
        word += byte
    return word


_forker: Forker | None = None
_forker_lock = threading.Lock()


def start_gateway(
    arguments: Sequence[str], *, environ: Mapping[str, str], stderr: int, translates: bool = False
) -> Forked:
    """Start a gateway, forked from this process's forker; one that `translates` has litellm loaded."""
    global _forker  # noqa: PLW0603 - one a process
    with _forker_lock:
        if _forker is None or not _forker.is_alive:
            _forker = Forker()
    return _forker.start(arguments, environ=environ, stderr=stderr, translates=translates)


def _serve(place: socket.socket) -> list[str]:
    """Fork a keeper for each order; return the arguments in the process that is to be the gateway."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's zombies
    while True:
        order, fds, _, _ = socket.recv_fds(place, _MOST, 3)
        if not order:
            sys.exit()
        read = json.loads(order)
        if read["translates"] and "litellm" not in sys.modules:
            from workbench.gateway.providers import litellm_library  # noqa: PLC0415 - in the forker alone

            litellm_library.load()
        if os.fork() == 0:
            place.close()
            return _keep(read, *fds)
        for fd in fds:
            os.close(fd)


def _keep(order: Mapping[str, Any], stdout: int, stderr: int, telling: int) -> list[str]:
    """Fork the gateway, tell its pid, and at its end its status; return in the gateway only."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway
        os.close(stdout)
        os.close(stderr)
        os.write(telling, b"%d\n" % pid)
        status = os.waitpid(pid, 0)[1]
        with contextlib.suppress(BrokenPipeError):
            os.write(telling, b"%d\n" % status)
        os._exit(0)
    os.close(telling)
    for fd, place in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, place)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    os.chdir(order["folder"])
    return list(order["arguments"])


if __name__ == "__main__":
    from workbench.gateway.serve import main

    main(_serve(socket.socket(fileno=int(sys.argv[1]))))
