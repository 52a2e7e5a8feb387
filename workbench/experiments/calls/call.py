"""One paid call as it is planned: what is sent, under which name it is kept, and what it can cost at most."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.evidence.question import Question
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.cells.cell import Address, Job
from workbench.wire.references import named_only

USUAL_OUTPUT = 256
"""Output tokens that are expected of a call of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent."""

    address: Address | None
    """Where its answer is kept; None: it can't be kept."""
    model: str | None
    """The model that is asked; None for a callable that names none."""
    messages: Sequence[Mapping[str, Any]] = ()
    """Chat messages; none for a callable."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call, without the model."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the ledger is told."""
    function: Callable[[dict[str, Any]], Any] | None = None
    """Instead of messages: what is called."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What it is called with."""
    worst_usd: float | None = 0.0
    """What it can cost at most; None: nobody knows. What a callable pays is known afterwards only, if it tells."""
    tokens: float = 0.0
    """Tokens that a limiter expects of it."""

    @classmethod
    def of(cls, job: Job, *, experiment_id: str, catalogue: Catalogue | None = None) -> Call:
        """Return the call of a cell."""
        candidate = job.candidate
        address = job.address if job.key is not None else None
        if candidate.call is not None:
            return cls(address, candidate.model_name, function=candidate.call, inputs=job.example.inputs)
        assert candidate.prompt is not None
        tags = {
            "experiment": experiment_id,
            "candidate": _word(candidate.name),
            "prompt": candidate.prompt.name,
            "prompt_version": "draft" if candidate.prompt.version is None else str(candidate.prompt.version),
        }
        return cls._chat(address, candidate.messages(job.example.inputs), candidate.arguments, tags, catalogue)

    @classmethod
    def to_judge(
        cls, question: Question, address: Address, *, experiment_id: str, catalogue: Catalogue | None = None
    ) -> Call:
        """Return the call of a scorer that asks."""
        arguments = {**question.parameters, "model": question.model}
        tags = {"experiment": experiment_id, "candidate": _word(address.candidate), **question.tags}
        return cls._chat(address, list(question.messages), arguments, tags, catalogue)

    @classmethod
    def _chat(
        cls,
        address: Address | None,
        messages: Sequence[Mapping[str, Any]],
        arguments: Mapping[str, Any],
        tags: Mapping[str, str],
        catalogue: Catalogue | None,
    ) -> Call:
        own = {name: value for name, value in arguments.items() if name != "model"}
        read = most_read(messages, own)
        listed = catalogue.of(arguments["model"]) if catalogue is not None else None
        most = listed.most_output(own) if listed is not None else None
        worst = listed.price.of(read, most or 0) if listed is not None and listed.price is not None else None
        return cls(
            address,
            arguments["model"],
            messages,
            own,
            {**tags, "grid_cell": address.tag} if address is not None else tags,
            worst_usd=worst,
            tokens=read / 4 + min(most or USUAL_OUTPUT, USUAL_OUTPUT),
        )


def most_read(messages: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]) -> int:
    """Return the most tokens that a model reads: no token is shorter than a byte, but of what is only named."""
    told = [arguments.get("tools"), arguments.get("response_format")]
    prompt, beside = (
        json.dumps(part, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass") for part in (messages, told)
    )
    return len(prompt) + len(beside) + named_only(prompt)


def _word(text: str) -> str:
    """Return a text as a tag of the ledger: the header that carries it takes no commas, spaces or accents."""
    return re.sub(r"[^A-Za-z0-9_.@/:-]+", "-", text)[:100]
