"""Find or start the one embedded gateway of a home, hold a lease on it, and start the next one should it die.

The gateway is a process of its own and nobody's child: it lives as long as anybody holds a lease. What it tells of
itself is `gateway.json` below the home: `{"pid", "url"}`.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from filelock import FileLock, Timeout

from workbench.errors import Unavailable, WorkbenchError
from workbench.services.leases import Lease, held_leases
from workbench.services.ports import answers
from workbench.services.processes import Log, python_module, spawn_detached
from workbench.settings import load_settings
from workbench.wire.embedded import read_owner_token, read_record

_LEAVING = 0.3  # seconds between a gateway's decision to end and its port being closed, and some more
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GatewayAddress:
    """Where the embedded gateway is, and the local owner's right to it."""

    url: str
    """Root URL, without `/v1`."""
    pid: int
    """Its process id."""
    owner_token: str = field(repr=False)
    """Bearer token of the local owner; issues keys."""


def wait_until_gone(home: Path, *, timeout: float = 10.0) -> bool:
    """Wait for a gateway that nobody uses to end; return whether it did."""
    deadline = time.monotonic() + timeout
    while (record := read_record(home)) is not None and _is_gateway(record.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def running_gateway(home: Path) -> GatewayAddress | None:
    """Return the embedded gateway that runs for a home and answers, or None; nothing is started."""
    record, token = read_record(home), read_owner_token(home)
    if record is None or token is None or not _is_gateway(record.pid) or not answers(f"{record.url}/healthz"):
        return None
    return GatewayAddress(url=record.url, pid=record.pid, owner_token=token)


class EmbeddedGateway:
    """Use the embedded gateway of a home: `attach` finds or starts it, `close` gives it up.

    While attached, a thread starts it again on the same port when it dies, and calls
    `on_change` with the new address (from that thread).
    """

    def __init__(
        self,
        home: Path,
        config: Path | None = None,
        *,
        restart: bool = True,
        start_timeout: float = 60.0,
        on_change: Callable[[GatewayAddress], None] | None = None,
    ) -> None:
        self._home = home
        self._config = config
        self._restart = restart
        self._start_timeout = start_timeout
        self._on_change = on_change
        self._lease: Lease | None = None
        self._address: GatewayAddress | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self.last_error: WorkbenchError | None = None
        """Why the last restart failed; None when the gateway is well."""

    @property
    def address(self) -> GatewayAddress | None:
        """Where the gateway was last seen."""
        return self._address

    @property
    def is_alive(self) -> bool:
        """Whether the process that was last seen is there, well or not."""
        return self._address is not None and _is_gateway(self._address.pid)

    @property
    def lease_id(self) -> str:
        """The lease to issue keys with: they are revoked when this process ends."""
        if self._lease is None:
            raise Unavailable("No lease is held.", hint="Call attach() first.")
        return self._lease.id

    def attach(self, *, port: int | None = None) -> GatewayAddress:
        """Hold a lease and return the gateway's address, started if there is none.

        `port` is where it is started; default: `[gateway] port`, or any free one if that is taken. Raises
        SettingsError where the configuration is wrong, and Unavailable with the tail of the gateway's log where it
        does not start.
        """
        if self._lease is None:
            # The lease comes first, so that a gateway that is there does not end meanwhile.
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._closing.clear()
            self._lease = Lease(self._home)
        try:
            self._address = self._find_or_start(port)
        except BaseException:
            self.close()
            raise
        if self._restart and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="embedded-gateway-watch", daemon=True)
            self._watcher.start()
        return self._address

    def close(self) -> None:
        """Give the lease up; the gateway ends a few seconds later if it was the last one. Twice is fine."""
        self._closing.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        self._watcher = None
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def __enter__(self) -> EmbeddedGateway:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one starter at a time ---------------------------------------------------------------------------------------

    def _find_or_start(self, port: int | None) -> GatewayAddress:
        deadline = time.monotonic() + self._start_timeout
        with _starting(self._home, deadline=deadline, closing=self._closing):
            while (found := self._find(deadline)) is None and _is_taken(self._home):
                # The one before drains its calls, and has taken its address back already: the home and the port
                # are free when it is gone. Or one that somebody started by hand has not told its address yet.
                if time.monotonic() > deadline or self._closing.wait(0.2):
                    raise Unavailable(
                        f"Another gateway still holds {self._home}: it is ending, and its last calls are not done.",
                        hint=f"Try again in a moment; see {self._home / 'logs' / 'gateway.log'}.",
                    )
            if found is not None:
                return found
            settings = load_settings(self._config, home=self._home)
            wanted = settings.gateway.port if port is None else port
            return self._start(wanted, settings.file, deadline)

    def _find(self, deadline: float) -> GatewayAddress | None:
        """Return the gateway that runs, waited for if it starts or ends; None where there is none."""
        while True:
            found = running_gateway(self._home)
            if found is not None and len(held_leases(self._home)) <= 1:
                # Nobody but us holds it: it may have decided to end just before it saw our lease.
                self._closing.wait(_LEAVING)
                found = running_gateway(self._home)
            if found is not None:
                return found
            record = read_record(self._home)
            if record is None or not _is_gateway(record.pid):
                return None
            # It starts, or it is ending and holds its port until it is gone.
            if time.monotonic() > deadline or self._closing.wait(0.1):
                raise Unavailable(
                    f"The gateway of {self._home} (pid {record.pid}) does not answer at {record.url}.",
                    hint=f"kill -9 {record.pid}",
                )

    def _start(self, port: int, config: Path | None, deadline: float) -> GatewayAddress:
        log = Log(self._home, "gateway")
        command = [*python_module("workbench.gateway", "--embedded", "--port", str(port))]
        if config is not None:  # also if it was found in this process's folder: the gateway runs in another one
            command += ["--config", str(config)]
        self._child = spawn_detached(command, home=self._home, log=log)
        while (found := running_gateway(self._home)) is None:
            if (code := self._child.poll()) is not None:
                raise log.explain(f"The gateway ended with exit code {code} before it was ready:")
            if time.monotonic() > deadline or self._closing.is_set():
                self._child.terminate()
                raise log.explain(f"The gateway was not ready after {self._start_timeout:.0f} s:")
            time.sleep(0.05)
        return found

    # -- the watch ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        pause = 0.5
        while not self._closing.wait(pause):
            assert self._address is not None
            try:
                if self._child is not None:
                    self._child.poll()  # buries it, if it was ours and died
                if _is_gateway(self._address.pid):
                    pause, self.last_error = 0.5, None
                    continue
                _log.warning("The gateway (pid %s) died; starting it again.", self._address.pid)
                found = self._find_or_start(urlsplit(self._address.url).port)
            except Exception as error:  # noqa: BLE001 - a full disk must not end the watch: it may be mended
                self.last_error = _as_ours(error)
                pause = min(pause * 2, 30.0)
                _log.error("%s", self.last_error)
                continue
            self.last_error = None
            self._address = found
            if self._on_change is not None:
                try:
                    self._on_change(found)
                except Exception:  # noqa: BLE001 - a listener's mistake must not end the watch
                    _log.exception("A listener to the gateway's address failed.")


def _is_taken(home: Path) -> bool:
    """Return whether a gateway has the home, also one that has told no address or has taken it back."""
    lock = FileLock(home / "gateway.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _as_ours(error: Exception) -> WorkbenchError:
    if isinstance(error, WorkbenchError):
        return error
    return Unavailable(
        f"The gateway can't be started again: {type(error).__name__}: {error}.",
        hint="It is tried again by itself; `workbench doctor` says what to mend.",
    )


def _is_gateway(pid: int) -> bool:
    """Return whether this process lives and is a gateway: its number may have been given to another one."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "workbench.gateway" in process.cmdline()
    except psutil.Error:
        return False


@contextlib.contextmanager
def _starting(home: Path, *, deadline: float, closing: threading.Event) -> Iterator[None]:
    """Hold the right to start the gateway of a home; one process has it at a time."""
    lock = FileLock(home / "gateway.start.lock")
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout as error:
            if closing.is_set() or time.monotonic() > deadline:
                raise Unavailable(
                    f"Another process is still starting the gateway of {home}.",
                    hint=f"See {home / 'logs' / 'gateway.log'}.",
                ) from error
    try:
        yield
    finally:
        lock.release()
