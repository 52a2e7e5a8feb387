"""A Redis server for a test, from the system's packages: in memory, on a loopback port, ended and started at will."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from workbench.testing.servers import answers, end_process, free_port, program, wait_until_ready


@dataclass
class RedisServer:
    """A server that keeps nothing when it ends."""

    folder: Path
    """Where it runs and logs."""
    port: int
    """Its port of 127.0.0.1."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = self.folder / "log"
        with log.open("ab") as told:
            process = self._process = subprocess.Popen(
                [program("redis-server", package="redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                 "--save", "", "--appendonly", "no", "--dir", str(self.folder)],
                stdout=told, stderr=told,
            )  # fmt: skip
        wait_until_ready(process, lambda: answers(self.port), log)

    def stop(self) -> None:
        """End it; what it held is gone."""
        if self._process is not None:
            end_process(self._process, signal.SIGTERM)
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a server for as long as the block runs; raises MissingComponent where it is not installed."""
    folder = Path(mkdtemp(prefix="workbench-redis-"))
    server = RedisServer(folder=folder, port=free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
