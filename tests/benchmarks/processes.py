"""Processes under measurement: started until they are ready, read from the process tree, ended by their id."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

START_SECONDS = 120.0


@dataclass(frozen=True)
class Tree:
    """A process and its children."""

    pid: int
    """The process that was started."""

    def cpu_seconds(self) -> float:
        """Return the CPU time that all of them have used, user and system, with that of children that have ended."""
        return sum(sum(p.cpu_times()[:4]) for p in self._processes())

    def rss_mb(self) -> float:
        """Return the memory that all of them hold, in MB of 10^6 bytes."""
        return sum(p.memory_info().rss for p in self._processes()) / 1e6

    def _processes(self) -> list[psutil.Process]:
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    ready_line: str = "",
    ready_url: str = "",
    environ: Mapping[str, str] | None = None,
) -> Iterator[tuple[Tree, str]]:
    """Run a process until the block ends; give its tree and the URL that it told, or `ready_url`."""
    with log.open("w") as told:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE if ready_line else told,
            stderr=told,
            text=True,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
        try:
            yield Tree(process.pid), _ready(process, log, ready_line, ready_url)
        finally:
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _ready(process: subprocess.Popen[str], log: Path, line: str, url: str) -> str:
    if line:
        assert process.stdout is not None
        told = process.stdout.readline()
        if not told.startswith(line):
            raise RuntimeError(f"{process.args!r} did not start: {told}{log.read_text()[-2000:]}")
        return told.removeprefix(line).strip()
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            urllib.request.urlopen(url, timeout=2).close()
            return url
        time.sleep(0.2)
    raise RuntimeError(f"{process.args!r} did not start: {log.read_text()[-2000:]}")
