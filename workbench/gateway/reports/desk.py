"""Where the gateway asks its reports: one child process a question, few at once, each with an end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import Any

import msgspec

from workbench.errors import MissingComponent, Unavailable
from workbench.gateway.reports.asked import Asked, Told

_log = logging.getLogger("workbench.gateway.reports")

_AT_ONCE = 2
_SECONDS = 120.0


class ReportDesk:
    """Takes questions to the ledger; none of them is answered in this process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, asked: Asked) -> dict[str, Any]:
        """Return the answer; raises MissingComponent, or Unavailable where there is none in time."""
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "workbench.gateway.reports",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(_SECONDS):
                    out, err = await child.communicate(msgspec.json.encode(asked))
            except TimeoutError as error:
                raise Unavailable(
                    f"The report was not ready within {_SECONDS:.0f} s.", hint="Ask for less time: since, until."
                ) from error
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    await child.wait()
        return _read(out, err)


def _read(out: bytes, err: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(out, type=Told)
    except msgspec.DecodeError:
        told = Told(error=f"it ended without an answer: {err[-300:].decode('utf-8', 'replace').strip()}")
    if told.answer is not None:
        return told.answer
    if told.code == MissingComponent.code:
        raise MissingComponent(str(told.error), hint=told.hint)
    _log.error("a report failed: %s", told.error)
    raise Unavailable(f"The report failed: {told.error}", hint="Ask for less, or see the gateway's log.")
