"""A trace: the record of one call, handed in or read back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workbench.wire.usage import Usage


def new_trace_id() -> str:
    """Return a fresh id in MLflow's form, so that a table can name a trace before it is written."""
    return f"tr-{secrets.token_hex(16)}"


@dataclass(frozen=True)
class TraceRecord:
    """One call, to be written as a trace."""

    name: str
    """What was done: `chat`, `rag` ..."""
    inputs: Any
    """What went in, as JSON."""
    outputs: Any
    """What came out, as JSON; None where it failed."""
    started_at: datetime
    """With a time zone."""
    ended_at: datetime
    """With a time zone."""
    status: Literal["OK", "ERROR"] = "OK"
    """Whether it worked."""
    error: str | None = None
    """What went wrong."""
    usage: Usage | None = None
    """Tokens."""
    cost_usd: float | None = None
    """Cost in US dollars; None if unknown."""
    model: str | None = None
    """Name of the model that was asked."""
    request_id: str | None = None
    """The gateway's request id: leads from the trace to the ledger and back."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the trace."""
    prompt: tuple[str, int] | None = None
    """Name and version of the prompt."""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Scores by scorer, written as assessments of source CODE; None is left out."""
    images: Sequence[bytes] = ()
    """Images that came out (PNG, JPEG or WebP), kept as attachments."""
    kind: str = "CHAT_MODEL"
    """MLflow's span type: CHAT_MODEL, CHAIN, RETRIEVER ..."""
    trace_id: str = field(default_factory=new_trace_id)
    """Its id. Writing the same id twice writes once."""


@dataclass(frozen=True)
class Trace:
    """A trace as MLflow holds it."""

    trace_id: str
    """MLflow's id."""
    name: str
    """What was done."""
    inputs: Any
    """What went in."""
    outputs: Any
    """What came out, without the images."""
    started_at: datetime
    """UTC."""
    latency_ms: float | None
    """Milliseconds."""
    status: str
    """OK, ERROR or IN_PROGRESS."""
    error: str | None
    """What went wrong."""
    usage: Usage | None
    """Tokens."""
    cost_usd: float | None
    """US dollars; None if unknown."""
    model: str | None
    """Name of the model."""
    request_id: str | None
    """The gateway's request id."""
    run_id: str | None
    """The run that it belongs to."""
    prompt: tuple[str, int] | None
    """Name and version of the prompt."""
    tags: Mapping[str, str]
    """Tags, without MLflow's own."""
    images: Sequence[str] = ()
    """References of its images; `Tracker.image` gets the bytes."""

    @property
    def text(self) -> str | None:
        """What came out, if it is text."""
        return self.outputs if isinstance(self.outputs, str) else None
