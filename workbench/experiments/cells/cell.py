"""Cells: one candidate on one example; the unit of running, keeping and resuming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from workbench.client.desk import is_loopback
from workbench.evidence import Example, Output, Score
from workbench.evidence.canonical import content_hash
from workbench.experiments.cells.candidate import Candidate
from workbench.tracking import new_trace_id
from workbench.wire.usage import Usage


def origin_of(gateway: object) -> str | None:
    """Return the URL of a client's gateway as keys of the journal tell it.

    None for one of this machine, whose port changes from start to start, and for a client without a URL.
    """
    url = getattr(gateway, "url", None)
    return None if not isinstance(url, str) or is_loopback(url) else url.rstrip("/")


def told_origin(origin: str | None) -> dict[str, str]:
    """Return what the content of a key says of where its answer comes from."""
    return {} if origin is None else {"gateway": origin}


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

    def __post_init__(self) -> None:
        # Scorers see outputs alone, and some measure what an output took: from the journal too.
        took = replace(self.output, latency_ms=self.latency_ms, cost_usd=self.cost_usd, usage=self.usage)
        object.__setattr__(self, "output", took)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the journal keeps an answer, and whose it is."""

    key: str
    """Hash of all that the answer depends on."""
    candidate: str
    """Who answered: a candidate, or `scorer:NAME`."""
    example_id: str
    """On which example."""
    repeat: int
    """In which repeat, from 0."""

    @property
    def tag(self) -> str:
        """What the ledger is told of the call, so that its answer can be looked for there."""
        return self.key[:32]


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
    def of(cls, candidate: Candidate, example: Example, repeat: int, *, origin: str | None = None) -> Job:
        """Make a job; equal content, and for a prompt an equal `origin` of its answers, makes an equal key."""
        identity = candidate.identity
        content = {"format": 1, "candidate": identity, "inputs": example.inputs_hash, "repeat": repeat}
        if candidate.prompt is not None:
            content |= told_origin(origin)
        return cls(candidate, example, repeat, None if identity is None else content_hash(content))

    @property
    def address(self) -> Address:
        """Its address; only a job with a key has one."""
        assert self.key is not None
        return Address(self.key, self.candidate.name, self.example.id, self.repeat)


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
    """Whether the answer was there: in the journal, or made for an equal cell of the same run."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """Scores by scorer."""
    trace_id: str = field(default_factory=new_trace_id)
    """Id of its trace in MLflow."""
