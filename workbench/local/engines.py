"""The engines: one process a model, started on first use, one at a time, and again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workbench.errors import MissingComponent, Unavailable
from workbench.local.catalogue import EmbeddedModel
from workbench.local.shelf import Installed, find

_START_SECONDS = 180.0
_STOP_SECONDS = 3.0
_PROGRAMS = {"chat": "workbench.local.llama_engine", "embedding": "workbench.local.encoder_engine"}
_ENVIRONMENT = {
    # Threads that spin while they wait starve the other engine on a few cores; read when OpenMP starts.
    "OMP_WAIT_POLICY": "passive",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

State = Literal["cold", "loading", "ready"]


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    model: EmbeddedModel
    """What it serves."""
    url: str
    """Root URL of its HTTP server."""
    token: str = field(repr=False)
    """What it wants as bearer token."""
    process: asyncio.subprocess.Process = field(repr=False)
    """Its process."""
    since: float
    """When it was ready, in seconds of the epoch."""

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self.process.returncode is None


class Engines:
    """All engines of this process."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._starts: dict[str, asyncio.Task[Engine]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def ready(self, name: str) -> Engine:
        """Return the engine of a model, started if need be.

        Raises NotFound, WeightsMissing or MissingComponent as `shelf.find` does, Unavailable if it does not start.
        """
        here = find(name, self._home)
        start = self._starts.get(name)
        if start is None or (start.done() and not _is_alive(start)):
            start = self._starts[name] = asyncio.create_task(self._start(here))
            start.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, even if all have left
        return await asyncio.shield(start)  # who leaves while a model loads does not take it from the others

    def state(self, name: str) -> State:
        """Return whether a model is in memory, on its way, or neither."""
        start = self._starts.get(name)
        if start is None:
            return "cold"
        if not start.done():
            return "loading"
        return "ready" if _is_alive(start) else "cold"

    def running(self) -> list[Engine]:
        """Return the engines that are ready."""
        return [start.result() for start in self._starts.values() if start.done() and _is_alive(start)]

    async def stop(self, name: str) -> None:
        """End the engine of a model, if it runs; its memory is free again."""
        start = self._starts.pop(name, None)
        if start is None:
            return
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable, MissingComponent):
            await _end((await start).process)

    async def close(self) -> None:
        """End all engines."""
        await asyncio.gather(*(self.stop(name) for name in list(self._starts)))

    async def _start(self, here: Installed) -> Engine:
        async with self._one_at_a_time:
            token = secrets.token_urlsafe(32)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                _PROGRAMS[here.model.task],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT},
                start_new_session=True,  # Ctrl-C in a terminal is not for the engines; they end after us
            )
            try:
                async with asyncio.timeout(_START_SECONDS):
                    url = await _introduce(process, here, token)
            except TimeoutError:
                await _end(process, patience=0)
                raise Unavailable(f"{here.model.name} was not loaded within {_START_SECONDS:g} s.") from None
            except BaseException:
                await _end(process, patience=0)
                raise
            return Engine(here.model, url, token, process, time.time())


def _is_alive(start: asyncio.Task[Engine]) -> bool:
    return not start.cancelled() and start.exception() is None and start.result().alive


async def _introduce(process: asyncio.subprocess.Process, here: Installed, token: str) -> str:
    """Tell an engine what to serve; return where it listens."""
    assert process.stdin is not None
    assert process.stdout is not None
    name = here.model.name
    orders = {"name": name, "path": str(here.path), "token": token, "dimensions": here.model.dimensions}
    process.stdin.write(json.dumps(orders).encode() + b"\n")
    line = await process.stdout.readline()
    if not line:
        raise Unavailable(
            f"{name} could not be loaded: its engine ended with exit code {await process.wait()}.",
            hint=_mend(here),
            code="engine_failed",
        )
    said = json.loads(line)
    if "error" in said:
        if "ModuleNotFoundError" in said["error"]:
            raise MissingComponent(
                f"{name} can't be served: {said['error']}.", hint="`pip install 'genai-workbench[local]'`"
            )
        raise Unavailable(f"{name} could not be loaded: {said['error']}.", hint=_mend(here), code="engine_failed")
    return str(said["url"])


def _mend(here: Installed) -> str:
    if here.sha256 is None:
        return "`workbench doctor` says what is wrong."
    return f"`workbench models rm {here.model.name}`, then `workbench models pull {here.model.name}`"


async def _end(process: asyncio.subprocess.Process, *, patience: float = _STOP_SECONDS) -> None:
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), patience)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
