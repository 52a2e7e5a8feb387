"""A PostgreSQL server for a test, from the system's packages: a folder of its own, a loopback port, no password.

It can be ended and started again in the middle of a test, with what it holds.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from workbench.testing.servers import end_process, free_port, program, wait_until_ready

_PLACES = ("usr/lib/postgresql/*/bin",)
_USER = "workbench"
_FAST = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "16MB",
    "max_connections": "60", "listen_addresses": "127.0.0.1", "autovacuum": "off",
}  # fmt: skip
"""What makes a server that need not survive a power cut quick."""


@dataclass
class PostgresServer:
    """A server and its databases."""

    folder: Path
    """Where its data and its socket lie."""
    port: int
    """Its port of 127.0.0.1."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _databases: int = 0

    @property
    def pid(self) -> int:
        """Return the id of its first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = [part for name, value in _FAST.items() for part in ("-c", f"{name}={value}")]
        log = self.folder / "log"
        with log.open("ab") as told:
            process = self._process = subprocess.Popen(
                [*_as_nobody_special(), _program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
                 "-k", str(self.folder), *settings],
                stdout=told, stderr=told,
            )  # fmt: skip
        wait_until_ready(process, self._is_ready, log)

    def stop(self) -> None:
        """End it at once, but in order: whoever is connected is cut off."""
        if self._process is not None:
            end_process(self._process, signal.SIGINT)  # fast shutdown
            self._process = None

    def new_database(self) -> str:
        """Return the SQLAlchemy URL of a new and empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        subprocess.run(
            [_program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, name],
            check=True, capture_output=True,
        )  # fmt: skip
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{name}"

    def _is_ready(self) -> bool:
        asked = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server for as long as the block runs; raises MissingComponent where it is not installed."""
    folder = Path(mkdtemp(prefix="workbench-postgres-"))
    server = PostgresServer(folder=folder, port=free_port())
    try:
        if os.geteuid() == 0:
            owner = _account()
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [*_as_nobody_special(), _program("initdb"), "-D", str(folder / "data"), "-U", _USER, "-A", "trust",
             "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    return program(name, *_PLACES, package="postgresql")


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("There is neither a user postgres nor a user nobody to run PostgreSQL as.")


def _as_nobody_special() -> list[str]:
    """Return what stands before a command, so that it does not run as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    owner = _account()
    return [
        program("setpriv", package="util-linux"),
        f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--",
    ]  # fmt: skip
