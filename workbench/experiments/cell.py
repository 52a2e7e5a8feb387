"""Cells: one candidate on one example; the unit of running, keeping and resuming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from workbench.evidence import Example, Output, Score
from workbench.evidence.canonical import content_hash
from workbench.experiments.candidate import Candidate
from workbench.tracking import new_trace_id
from workbench.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """What a candidate answered, and what it took."""

    output: Output
    """Text, images, or both."""
    started_at: datetime
    """When the call was sent (UTC)."""
    ended_at: datetime
    """When the answer was there (UTC)."""
    latency_ms: float
    """Milliseconds from one to the other."""
    request_id: str | None = None
    """The gateway's request id."""
    model: str | None = None
    """The model that answered, if the answer tells."""
    cost_usd: float | None = None
    """US dollars; None if unknown."""
    usage: Usage | None = None
    """Tokens; None if unknown."""


@dataclass(frozen=True, slots=True)
class Job:
    """A cell before it is run."""

    candidate: Candidate
    """Who answers."""
    example: Example
    """What is asked."""
    repeat: int
    """Which repeat, from 0."""
    key: str | None
    """Address of the answer in the journal; None if the candidate's answers can't be kept."""

    @classmethod
    def of(cls, candidate: Candidate, example: Example, repeat: int) -> Job:
        """Make a job; equal content makes an equal key."""
        identity = candidate.identity
        content = {"format": 1, "candidate": identity, "inputs": example.inputs_hash, "repeat": repeat}
        return cls(candidate, example, repeat, None if identity is None else content_hash(content))


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell after it was run."""

    job: Job
    """What was asked of whom."""
    answer: Answer | None = None
    """The answer; None if there is none."""
    error: str | None = None
    """Why there is none."""
    sent: bool = True
    """Whether a call was made; False where the candidate was given up before."""
    started_at: datetime | None = None
    """When a call that failed was sent."""
    ended_at: datetime | None = None
    """When it failed."""
    reused: bool = False
    """Whether the answer came from the journal."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """Scores by scorer."""
    trace_id: str = field(default_factory=new_trace_id)
    """Id of its trace in MLflow."""
