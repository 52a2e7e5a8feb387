"""The embedded models: a child process that speaks OpenAI's protocol on a loopback port.

It is started when it is first asked, restarted when it died, and ends with the gateway: its standard input is held
open, and it leaves when that closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from yarl import URL

from workbench.errors import InvalidInput, ProviderError, ProviderUnavailable, Unavailable, WorkbenchError
from workbench.gateway.providers.http import HttpClient, HttpStream, read_whole
from workbench.gateway.providers.openai import OpenAIProvider
from workbench.gateway.providers.provider import AnswerBroken, ConnectionDropped, Question, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.providers.signin.key import bearer
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.settings import Kind, Timeouts
from workbench.wire.envelope import error_from_body

START_SECONDS = 90.0
_STOP_SECONDS = 5.0
_LINE_LIMIT = 64 * 1024
_OPERATIONS = ("chat/completions", "embeddings")


class _Ready(msgspec.Struct):
    url: str
    token: str

    def __repr__(self) -> str:
        return f"_Ready(url={self.url!r})"  # the token is nobody's to read in a log


class LocalProvider:
    """Provider `local`: the child process and the OpenAI client in front of it."""

    def __init__(
        self,
        name: str,
        *,
        client: HttpClient,
        home: Path,
        timeouts: Timeouts,
        command: Sequence[str] = (sys.executable, "-m", "workbench.local"),
    ) -> None:
        self.name = name
        self.kind: Kind = "local"
        # A model on this machine loads and computes at the machine's pace: only the end of the call bounds it.
        self.timeouts = timeouts.model_copy(update={"first_token": timeouts.total, "idle": timeouts.total})
        self._client = client
        self._home = home
        self._command = (*command, "--home", str(home))
        self._log_path = home / "logs" / "local.log"
        self._start: asyncio.Task[OpenAIProvider] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether the child runs."""
        return self._start is not None and self._start.done() and self._alive()

    @property
    def base_url(self) -> URL:
        """Root of the child's API; it must be ready."""
        return self._server().base_url

    @property
    def signin(self) -> SignIn:
        """The child's own token; it must be ready."""
        return self._server().signin

    async def prepare(self) -> None:
        """Start the child if it does not run."""
        await self._running()

    async def answer(self, question: Question, model: str) -> Whole | HttpStream:
        """Ask for a plain answer."""
        self._check(question)
        server = await self._running()
        try:
            return await server.answer(question, model)
        except ProviderError as error:
            raise await self._explained(error) from error

    async def stream(self, question: Question, model: str) -> HttpStream:
        """Ask for a stream."""
        self._check(question)
        server = await self._running()
        try:
            return await server.stream(question, model)
        except ProviderError as error:
            raise await self._explained(error) from error

    def _check(self, question: Question) -> None:
        """Refuse what the child has no path for."""
        if question.operation not in _OPERATIONS:
            raise InvalidInput(
                f"Provider {self.name!r} (kind 'local') can't answer {question.operation!r}.",
                hint=f"Name another model; this one's provider answers {' and '.join(_OPERATIONS)}.",
                code="unsupported_operation",
            )

    async def engines(self) -> list[dict[str, Any]]:
        """Return the models that are in memory; a child that does not run has none, and is not started for it."""
        return list((await self._manage("GET", ""))["data"]) if self.ready else []

    async def start_engine(self, model: str) -> dict[str, Any]:
        """Load a model now, rather than with its first call."""
        return dict(await self._manage("POST", f"/{quote(model, safe='')}"))

    async def stop_engine(self, model: str) -> dict[str, Any]:
        """Take a model out of memory; its next call loads it again."""
        return dict(await self._manage("DELETE", f"/{quote(model, safe='')}"))

    async def close(self) -> None:
        """Close the child's standard input, and kill it if it does not leave."""
        self._closed = True
        if self._start is not None and not self._start.done():
            self._start.cancel()
            await asyncio.wait([self._start])
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await _kill(process)

    async def _manage(self, method: str, path: str) -> Any:
        server = await self._running()
        url = URL(f"{server.base_url}/engines{path}", encoded=True)
        headers = server.signin.headers(method, url, b"", {})
        response = await self._client.send(self.name, method, url, b"", headers)
        if response.status != 200:
            raise await self._client.meant(self.name, response, refused=_meant)
        return msgspec.json.decode(await read_whole(self.name, response))

    async def _running(self) -> OpenAIProvider:
        """Return the client of a living child; all who ask while one starts wait for the same start."""
        if self._closed:
            raise Unavailable("The gateway is stopping.", code="stopping")
        if self._start is None or (self._start.done() and not self._alive()):
            self._start = asyncio.create_task(self._started())
        return await asyncio.shield(self._start)

    def _server(self) -> OpenAIProvider:
        assert self._start is not None, "prepare comes first"
        return self._start.result()

    def _alive(self) -> bool:
        assert self._start is not None
        failed = self._start.cancelled() or self._start.exception() is not None
        return not failed and self._process is not None and self._process.returncode is None

    async def _started(self) -> OpenAIProvider:
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._log_path.open("ab") as log:
                beginning = log.tell()
                process = self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    limit=_LINE_LIMIT,
                    start_new_session=True,  # Ctrl-C in a terminal is for the gateway; the child leaves after it
                )
        except OSError as error:
            raise Unavailable(
                f"The local model server can't be started: {error}.",
                hint=f"The admin must see to {self._log_path.parent} and to the machine's room for processes.",
                code="local_unavailable",
            ) from error
        try:
            ready = await asyncio.wait_for(_ready(process), START_SECONDS)
        except (TimeoutError, msgspec.DecodeError, ValueError) as error:
            await _kill(process)
            raise Unavailable(
                f"The local model server did not start: {self._why(error, beginning)}.",
                hint=f"See {self._log_path}, or run `workbench doctor`.",
                code="local_unavailable",
            ) from error
        except asyncio.CancelledError:
            await _kill(process)
            raise
        self._drain = asyncio.create_task(_read_on(process))
        return OpenAIProvider(
            self.name,
            client=self._client,
            base_url=URL(f"{ready.url}/v1"),
            signin=bearer(ready.token),
            kind=self.kind,
            timeouts=self.timeouts,
            refused=_meant,
        )

    def _why(self, error: Exception, beginning: int) -> str:
        if isinstance(error, TimeoutError):
            return f"it was not ready within {START_SECONDS:g} s"
        if isinstance(error, msgspec.DecodeError):
            return "its first line is not what was agreed"
        with self._log_path.open("rb") as log:
            log.seek(beginning)
            lines = log.read(1_000_000).decode("utf-8", "replace").strip().splitlines()
        return f"{error}: {lines[-1].strip()[:300]}" if lines else str(error)

    async def _explained(self, error: ProviderError) -> ProviderError:
        """Say of a failed call that the child has died, where it has; the next call, or try, starts it again."""
        assert self._process is not None
        if isinstance(error, ConnectionDropped | AnswerBroken | ProviderUnavailable):
            with contextlib.suppress(TimeoutError):
                # The connection breaks a moment before the end of the process is known.
                await asyncio.wait_for(asyncio.shield(self._process.wait()), 0.5)
        if self._process.returncode is None:
            return error
        return ConnectionDropped(
            f"The local model server ended in the middle of the call (exit code {self._process.returncode}).",
            hint="It is started again with the next call.",
        )


def _meant(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> WorkbenchError:
    """Return the error that the child meant: it speaks our own envelope."""
    if status in (404, 429) or status >= 500:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return error_from_body(status, msgspec.json.decode(body))
    return refusal(provider, status, headers, body)


async def _ready(process: asyncio.subprocess.Process) -> _Ready:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise ValueError(f"it ended with exit code {await process.wait()}")
    return msgspec.json.decode(line, type=_Ready)


async def _read_on(process: asyncio.subprocess.Process) -> None:
    """Read what the child prints, so that it never waits for a reader."""
    assert process.stdout is not None
    while await process.stdout.read(_LINE_LIMIT):
        pass


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
