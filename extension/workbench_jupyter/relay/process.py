"""The relay as its server sees it: started in a thread, started again at the same address when it dies, ended with it.

The server binds the socket and lends it: callers wait in its queue while the relay starts anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_LOOPBACK = "127.0.0.1"
_LOCAL = (_LOOPBACK, "localhost", "::1")
_STEADY = 10.0  # seconds after which a relay that ends has not failed at its start
_FAILURES = 3  # in a row, after which it is told as a problem
_LONGEST_PAUSE = 30.0  # seconds between two starts
_GRACE = 2.0  # seconds for it to end by itself
_log = logging.getLogger(__name__)


class RelayProcess:
    """The relay of one folder of key files."""

    def __init__(self) -> None:
        self.problem: str | None = None
        """Why there is none now; None while all is well, or none was wanted yet."""
        self._url: str | None = None
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str | None:
        """Its root URL, once it has answered; it stays the same from then on."""
        return self._url

    @property
    def pid(self) -> int | None:
        """Its process id, None while it is not there."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self, folder: Path, *, home: Path) -> None:
        """Begin to start it, once; returns at once."""
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, args=(folder, home), name="workbench-relay", daemon=True)
            self._thread.start()

    def settled(self, patience: float) -> bool:
        """Wait until it answers or is known not to; return False where patience ended first."""
        return self._settled.wait(patience)

    def is_passed_over(self, gateway_url: str) -> bool:
        """Return whether a gateway is reached through a proxy, which the relay does not ask."""
        parts = urlsplit(gateway_url)
        host = parts.hostname or ""
        proxied = host not in _LOCAL and parts.scheme in getproxies() and not proxy_bypass(host)
        if proxied:
            self.problem = f"{gateway_url} is reached through a proxy; kernels get the key itself."
        return proxied

    def close(self) -> None:
        """End it; twice is fine."""
        self._closing.set()
        self._settled.set()
        child = self._child
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
        if self._thread is not None:
            self._thread.join(2 * _GRACE)

    def as_dict(self) -> dict[str, Any]:
        """Return what may be told of it."""
        return {"url": self._url, "problem": self.problem}

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _run(self, folder: Path, home: Path) -> None:
        if os.name != "posix":
            self._fail("It needs a system on which a socket can be lent to another process.")
            return
        try:
            listening = socket.create_server((_LOOPBACK, 0))
        except OSError as error:
            self._fail(f"No port of {_LOOPBACK} can be had: {error}.")
            return
        with listening:
            failures = 0
            while not self._closing.is_set():
                begun = time.monotonic()
                why = self._live(listening, folder, home)
                if self._closing.is_set():
                    return
                failures = 1 if time.monotonic() - begun > _STEADY else failures + 1
                _log.warning("The relay ended (%s); it is started again.", why)
                if failures >= _FAILURES:
                    self._fail(why)
                self._closing.wait(min(0.1 * 2**failures, _LONGEST_PAUSE))

    def _live(self, listening: socket.socket, folder: Path, home: Path) -> str:
        """Run one relay until it ends; return how it ended."""
        from workbench.services.processes import Log, python_module  # noqa: PLC0415 - not in the server's main thread

        log = Log(home, "relay")
        descriptor = str(listening.fileno())
        try:
            with log.open() as output:
                child = subprocess.Popen(
                    python_module("workbench_jupyter.relay", "--listen", descriptor, str(folder)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    pass_fds=(listening.fileno(),),
                    # Ctrl-C in a terminal is for the server, which ends it in order.
                    start_new_session=True,
                )
        except OSError as error:
            return f"it can't be started: {error}"
        self._child = child
        assert child.stdin is not None
        assert child.stdout is not None
        with child.stdout:
            if child.stdout.readline() == b"ready\n" and not self._closing.is_set():
                self._url = f"http://{_LOOPBACK}:{listening.getsockname()[1]}"
                self.problem = None
                self._settled.set()
                child.stdout.read()  # until it ends
        if self._closing.is_set():
            with contextlib.suppress(OSError):
                child.stdin.close()
        try:
            code = child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        with contextlib.suppress(OSError):
            child.stdin.close()
        return str(log.explain(f"it ended with exit code {code}:"))

    def _fail(self, why: str) -> None:
        self.problem = why
        self._settled.set()
