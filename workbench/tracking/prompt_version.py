"""One version of a prompt, as the registry holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Template = str | list[dict[str, Any]]
"""One user message, or a list of `{"role", "content"}` messages; `{{name}}` stands for a variable."""


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from."""

    origin: str = "hand"
    """What made it: `hand`, `import`, `optimiser`, `few-shot` ..."""
    parent: str | None = None
    """The version that it was made of, as `name@3`; None: the latest one then, if there was one."""
    made_by: str | None = None
    """Who registered it."""


@dataclass(frozen=True)
class PromptVersion:
    """What was registered under a name and a number."""

    name: str
    """Name of the prompt."""
    version: int
    """Number of the version, from 1."""
    template: Template
    """The text or the messages."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call that belong to the version: model, temperature, max_tokens, seed ..."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema that an answer must fit, or None."""
    form: Mapping[str, Any] = field(default_factory=dict)
    """How the template is filled in: its syntax, typed variables, examples; empty: just `{{name}}`."""
    message: str | None = None
    """What changed, in the author's words."""
    created_at: datetime | None = None
    """UTC time of registration."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The user's tags."""
    hash: str = ""
    """Hash of template, parameters, schema and form as they stand in the registry now."""
    registered_hash: str | None = None
    """Hash that was stamped at registration; None for a version that MLflow itself registered."""

    lineage: Lineage | None = None
    """Where it comes from; None for versions of which it was not told."""

    @property
    def uri(self) -> str:
        """MLflow's URI of the version."""
        return f"prompts:/{self.name}/{self.version}"

    @property
    def intact(self) -> bool:
        """Whether the registry still holds what was registered; True also where no hash was stamped."""
        return self.registered_hash in (None, self.hash)
