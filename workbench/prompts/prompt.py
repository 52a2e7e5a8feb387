"""A prompt: a template with the parameters and the schema that belong to it. Render it, or ask a model with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.prompts.defaults import default_gateway
from workbench.prompts.template import Template, as_lines, check_template, render, variables
from workbench.wire.prompt_hash import prompt_hash

if TYPE_CHECKING:
    from workbench.client import ChatResult, Gateway

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NOT_PARAMETERS = frozenset({"messages", "stream", "stream_options", "response_format", "extra_headers", "n"})
_ARGUMENTS_OF_CHAT = frozenset({"gateway", "model", "tags"})


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt, or a draft that was never registered."""

    name: str
    """Name, from letters, digits, `.`, `_` and `-`."""
    template: Template
    """A text or chat messages; `{{name}}` stands for a variable."""
    version: int | None = None
    """Number in the registry; None for a draft."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call: `model`, `temperature`, `max_tokens`, `seed` ..."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema that the answer must fit; sent as `response_format`."""
    alias: str | None = None
    """Alias by which it was loaded, or None."""
    message: str | None = None
    """What changed, in the author's words."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(f"{self.name!r} can't name a prompt: use letters, digits, '.', '_' and '-'.")
        object.__setattr__(self, "template", check_template(self.template))
        object.__setattr__(self, "parameters", dict(self.parameters))
        if bad := sorted(_NOT_PARAMETERS & set(self.parameters)):
            hint = "Pass a JSON Schema as `schema`." if "response_format" in bad else None
            raise InvalidInput(f"Not parameters of a prompt: {', '.join(bad)}.", hint=hint)
        if self.schema is not None and not (isinstance(self.schema, Mapping) and self.schema):
            raise InvalidInput("`schema` is a JSON Schema: a dictionary with something in it.")

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, in the order in which they first stand."""
        return variables(self.template)

    @property
    def hash(self) -> str:
        """Hash of template, parameters and schema: two prompts of one hash are the same."""
        return prompt_hash(self.template, self.parameters, self.schema)

    @property
    def label(self) -> str:
        """Name and version as a person says them: `summary v3`."""
        return f"{self.name} v{self.version}" if self.version is not None else f"{self.name} (draft)"

    def render(self, /, **values: Any) -> list[dict[str, Any]]:
        """Return the messages with the variables replaced; raises InvalidInput naming missing and extra ones."""
        return render(self.template, values)

    def arguments(self, *, model: str | None = None) -> dict[str, Any]:
        """Return what goes with the messages into `Gateway.chat`: model, parameters and `response_format`.

        `model` counts before the version's own; raises InvalidInput if neither names one.
        """
        chosen = model or self.parameters.get("model")
        if not chosen:
            raise InvalidInput(f"{self.label} names no model.", hint="Pass `model=`, or register it as a parameter.")
        found = {**self.parameters, "model": chosen}
        if self.schema is not None:
            form = {"name": re.sub(r"[^A-Za-z0-9_-]", "_", self.name)[:64], "schema": dict(self.schema)}
            found["response_format"] = {"type": "json_schema", "json_schema": form}
        return found

    def chat(
        self,
        gateway: Gateway | None = None,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        **values: Any,
    ) -> ChatResult:
        """Fill in the variables, ask the model and return its answer; the ledger names prompt and version."""
        if taken := sorted(_ARGUMENTS_OF_CHAT & set(self.variables)):
            raise InvalidInput(
                f"{self.label} has a variable named {taken[0]!r}, which chat() takes for itself.",
                hint="Use `gateway.chat(prompt.render(...), **prompt.arguments())`.",
            )
        origin = {"prompt": self.name, **({"prompt_version": str(self.version)} if self.version is not None else {})}
        asked = gateway if gateway is not None else default_gateway()
        return asked.chat(self.render(**values), tags={**origin, **(tags or {})}, **self.arguments(model=model))

    def __str__(self) -> str:
        return "\n".join(as_lines(self.template))
