"""A candidate as a result knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.experiments.cells.candidate import Candidate

Bounds = tuple[float, float] | None
"""Least and greatest score there can be; None if there is no bound."""


@dataclass(frozen=True)
class RunInfo:
    """One candidate of an experiment, and its MLflow run."""

    name: str
    """The candidate's name."""
    model: str | None
    """The model it asks."""
    prompt: str | None
    """Name of its prompt."""
    prompt_version: int | None
    """Number of the prompt's version."""
    run_id: str | None = None
    """Its MLflow run; None if it was not written."""
    template: str | list[dict[str, Any]] | None = None
    """What the prompt says; None for a callable, and for runs that were written before it was kept."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of its calls, the model aside."""
    prompt_hash: str | None = None
    """Hash of template, parameters and schema."""

    @classmethod
    def of(cls, candidate: Candidate) -> RunInfo:
        """Return what a result keeps of a candidate."""
        prompt = candidate.prompt
        return cls(
            name=candidate.name,
            model=candidate.model_name,
            prompt=prompt.name if prompt else None,
            prompt_version=prompt.version if prompt else None,
            template=prompt.template if prompt else None,
            parameters={key: value for key, value in candidate.arguments.items() if key != "model"},
            prompt_hash=candidate.prompt_hash,
        )

    @property
    def prompt_label(self) -> str:
        """Prompt and version as a person says them; empty for a callable."""
        if self.prompt is None:
            return ""
        return f"{self.prompt} v{self.prompt_version}" if self.prompt_version is not None else f"{self.prompt} (draft)"
