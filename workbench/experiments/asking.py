"""One call: a candidate is asked about an example, with patience where waiting helps and none where it does not."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from typing import Any, Protocol

from workbench.errors import (
    AuthenticationFailed,
    LimitExceeded,
    MissingComponent,
    NotFound,
    PermissionDenied,
    SettingsError,
    Unavailable,
    WorkbenchError,
)
from workbench.evidence import Output
from workbench.experiments.cell import Answer, Job

FATAL = (AuthenticationFailed, MissingComponent, NotFound, PermissionDenied, SettingsError, Unavailable)
"""Errors that would meet every other call too: the experiment stops."""

PATIENCE = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts while the gateway does not answer: it may be on its way up again."""

_LONGEST_SILENCE = 60.0
"""Seconds after which a silent gateway is not tried again: the client has waited long enough by itself."""
_LONGEST_WAIT = 60.0
"""Longest wait for a limit, in seconds."""
_WAITS_FOR_LIMIT = 3


class ChatClient(Protocol):
    """What an experiment needs of the gateway's client."""

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        """Return a result with `.text`, `.images`, `.usage`, `.cost_usd`, `.latency_ms`, `.request_id`, `.model`."""

    def embed(self, texts: Any, *, model: str) -> Any:
        """Return one row of numbers a text."""


def ask(job: Job, *, gateway: ChatClient | None, experiment_id: str, stop: threading.Event) -> Answer:
    """Return the answer to a job.

    While the gateway does not answer it is tried again a few times; a limit that tells when to come back is waited
    for. `stop` ends the waiting. Raises what the last attempt raised.
    """
    silences, limits, began = list(PATIENCE), _WAITS_FOR_LIMIT, time.monotonic()
    while True:
        try:
            return _once(job, gateway, experiment_id)
        except LimitExceeded as error:
            limits -= 1
            if error.retry_after is None or error.retry_after > _LONGEST_WAIT or limits < 0 or stop.is_set():
                raise
            stop.wait(error.retry_after)
        except Unavailable:
            if not silences or stop.is_set() or time.monotonic() - began > _LONGEST_SILENCE:
                raise
            stop.wait(silences.pop(0))


def _once(job: Job, gateway: ChatClient | None, experiment_id: str) -> Answer:
    candidate, inputs = job.candidate, dict(job.example.inputs)
    started_at, clock = datetime.now(UTC), time.perf_counter()
    if candidate.call is not None:
        result = candidate.call(inputs)
    else:
        assert candidate.prompt is not None
        assert gateway is not None
        tags = {
            "experiment": experiment_id,
            "candidate": _word(candidate.name),
            "prompt": candidate.prompt.name,
            "prompt_version": "draft" if candidate.prompt.version is None else str(candidate.prompt.version),
        }
        result = gateway.chat(candidate.messages(inputs), tags=tags, **candidate.arguments)
    elapsed = (time.perf_counter() - clock) * 1000
    latency = getattr(result, "latency_ms", None)
    return Answer(
        output=Output.of(result),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        latency_ms=float(latency) if latency is not None else elapsed,
        request_id=getattr(result, "request_id", None),
        model=getattr(result, "model", None) or candidate.model_name,
        cost_usd=getattr(result, "cost_usd", None),
        usage=getattr(result, "usage", None),
    )


def told(error: BaseException) -> str:
    """Return an error as a cell keeps it."""
    return f"{error.error_code}: {error}" if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"


def _word(text: str) -> str:
    """Return a text as a tag of the ledger: the header that carries it takes no commas, spaces or accents."""
    return re.sub(r"[^A-Za-z0-9_.@/:-]+", "-", text)[:100]
