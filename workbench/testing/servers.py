"""What the fixtures of PostgreSQL and Redis share: a program of the system's packages, started and ended by its id."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from workbench.errors import MissingComponent

_PATIENCE = 30.0
_PORTS = range(16000, 32000)


def program(name: str, *folders: str, package: str) -> str:
    """Return the path of a program; raises MissingComponent, which names the Debian package."""
    newest_first = [str(path) for pattern in folders for path in sorted(Path("/").glob(pattern), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*newest_first, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise MissingComponent(f"There is no program {name!r}.", hint=f"apt-get install {package}")
    return found


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    It is drawn from below those that the system gives out: else another process, or a mere connection, may have it
    before the server that is started next.
    """
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on 127.0.0.1")


def wait_until_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    """Wait until a server answers; raises RuntimeError with its log if it ends before, or takes too long."""
    end = time.monotonic() + _PATIENCE
    while not is_ready():
        if process.poll() is not None or time.monotonic() > end:
            end_process(process)
            told = log.read_text(errors="replace") if log.exists() else ""
            raise RuntimeError(f"{process.args!r} does not serve: {told[-2000:]}")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end_process(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """End a server by a signal, and if it does not follow, for good."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
