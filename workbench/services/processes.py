"""Children of this process: started by command line with a log file, watched until ready, ended with their parent."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from workbench.errors import Unavailable
from workbench.services.guard import DETACHED
from workbench.services.ports import answers

LOGS = "logs"
_LOG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """A row: what to start, and how to know that it is ready."""

    name: str
    """What it is called in messages; its log is `logs/<name>.log` below the home."""
    command: tuple[str, ...]
    """The command line."""
    url: str = ""
    """Where its user goes, without secrets; empty if it serves nobody."""
    ready_url: str = field(default="", repr=False)
    """Answers 2xx once it is ready."""
    secret_url: str | None = field(default=None, repr=False)
    """Where its user goes, token included; None if there is no token."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables to set for it, beside those of this process."""

    @property
    def open_url(self) -> str:
        """The URL to open in a browser, token included."""
        return self.secret_url or self.url


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of one of our modules; files of the current folder can't shadow its imports."""
    return (sys.executable, "-P", "-m", module, *arguments)


class Log:
    """The log file of one program, and the part of it that one start wrote."""

    def __init__(self, home: Path, name: str) -> None:
        folder = home / LOGS
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{name}.log"
        if self.path.exists() and self.path.stat().st_size > _LOG_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        self._start = self.path.stat().st_size if self.path.exists() else 0

    def open(self) -> BinaryIO:
        """Open it for appending; only its owner can read it."""
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines that were written since this start."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._start, size - 16384))
            return "\n".join(file.read().decode("utf-8", "replace").rstrip().splitlines()[-lines:])
        return ""

    def explain(self, message: str, *, hint: str | None = None) -> Unavailable:
        """Return the error that tells `message`, the tail of the log and where the whole log is."""
        tail = self.tail()
        quoted = "\n".join(f"  | {line}" for line in tail.splitlines()) if tail else "  | (the log is empty)"
        return Unavailable(f"{message}\n{quoted}\n  log: {self.path}", hint=hint)


def spawn_detached(command: Sequence[str], *, home: Path, log: Log) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and ends by itself."""
    with log.open() as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home,
            env={**os.environ, "WORKBENCH_HOME": str(home), DETACHED: "1"},
        )


class Process:
    """One running program; it ends by `stop`, with `with`, or with this process, also if that is killed."""

    def __init__(self, program: Program, *, home: Path, cwd: Path | None = None, grace: float = 5.0) -> None:
        self.program = program
        self.log = Log(home, program.name)
        self._grace = grace
        environment = {**os.environ, **program.environment, "WORKBENCH_HOME": str(home)}
        environment.pop(DETACHED, None)
        with self.log.open() as output:
            self._guard = subprocess.Popen(
                python_module("workbench.services.guard", "--grace", str(grace), "--", *program.command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal is for us: we end the others in order.
                start_new_session=True,
                cwd=cwd,
                env=environment,
            )

    @property
    def pid(self) -> int:
        """Process id of the guard; the program is its child."""
        return self._guard.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code of the program, None while it runs."""
        return self._guard.poll()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return when the program answers; raises Unavailable with the tail of its log when it ends or is too late."""
        deadline = time.monotonic() + timeout
        while not answers(self.program.ready_url):
            if self.exit_code is not None:
                raise self.log.explain(
                    f"{self.program.name} ended with exit code {self.exit_code} before it was ready:"
                )
            if time.monotonic() > deadline:
                raise self.log.explain(f"{self.program.name} was not ready after {timeout:.0f} s:")
            time.sleep(0.1)

    def ended(self) -> Unavailable:
        """Return the error that tells that the program is no longer there."""
        return self.log.explain(f"{self.program.name} ended with exit code {self.exit_code}:")

    def wait(self, timeout: float) -> int:
        """Return the exit code of a program that ends by itself; raises Unavailable if it is too late."""
        try:
            return self._guard.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise self.log.explain(f"{self.program.name} did not end within {timeout:.0f} s:") from error

    def ask_to_stop(self) -> None:
        """Begin to stop it and return at once."""
        if self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()

    def stop(self) -> None:
        """Stop it and wait until nothing of it is left."""
        self.ask_to_stop()
        try:
            self._guard.wait(self._grace + 5)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def is_ready(self) -> bool:
        """Return whether it answers now."""
        return self.exit_code is None and answers(self.program.ready_url)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.exit_code is None else f"ended with {self.exit_code}"
        return f"Process({self.program.name!r}, pid={self.pid}, {state})"


def stop_all(processes: Iterable[Process]) -> None:
    """Stop processes side by side, and wait until nothing of them is left."""
    processes = list(processes)
    for process in processes:
        process.ask_to_stop()
    for process in processes:
        process.stop()
