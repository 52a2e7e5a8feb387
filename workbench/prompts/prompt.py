"""A prompt: a template with the parameters and the schema that belong to it. Render it, or ask a model with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.prompts.defaults import default_gateway
from workbench.prompts.few_shot import FewShot
from workbench.prompts.form import Format, make_form
from workbench.prompts.rendering import check_declared, check_few_shot, names_of_template, render, required
from workbench.prompts.template import Template, as_lines, check_template
from workbench.prompts.variable import Variable
from workbench.wire.few_shot import PLACE
from workbench.wire.prompt_hash import prompt_hash

if TYPE_CHECKING:
    from workbench.client import ChatResult, Gateway
    from workbench.client.results import Served

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_NOT_PARAMETERS = frozenset({"messages", "stream", "stream_options", "response_format", "extra_headers", "n"})
_ARGUMENTS_OF_CHAT = frozenset({"gateway", "model", "tags"})


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt, or a draft that was never registered."""

    name: str
    """Name, from letters, digits, `.`, `_` and `-`."""
    template: Template
    """A text or chat messages; `{{name}}` stands for a variable, unless `format` says otherwise."""
    version: int | None = None
    """Number in the registry; None for a draft."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call: `model`, `temperature`, `max_tokens`, `seed` ..."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema that the answer must fit; sent as `response_format`."""
    format: Format = "braces"
    """How the template is written: `braces` (`{{name}}` stands for a variable, all else is text) or `jinja`."""
    declared: Mapping[str, Variable] = field(default_factory=dict)
    """Types, defaults and descriptions of variables: a `Variable`, the name of a type, or a dictionary, by name. What
    is not declared may be any JSON value, and must be given."""
    few_shot: FewShot | None = None
    """Examples that are shown to the model: a `FewShot`, or a list of `{"inputs": {...}, "output": ...}`."""
    alias: str | None = None
    """Alias by which it was loaded, or None."""
    message: str | None = None
    """What changed, in the author's words."""
    assigned: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Tags that tell which side of a rollout it is; empty where there is none."""
    served: Served | None = field(default=None, compare=False)
    """How fresh it was when it was loaded by an alias: live, stale, or the last good one; else None."""

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
        for key, value in {**self.parameters, "schema": self.schema}.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise InvalidInput(
                    f"{key!r} of the prompt is no JSON value: {error}.", hint="A date is a text."
                ) from error

        names = names_of_template(self.template, self.format)
        few_shot = FewShot.of(self.few_shot)
        object.__setattr__(self, "few_shot", few_shot)
        object.__setattr__(self, "declared", check_declared(names, self.declared))
        if few_shot is not None:
            check_few_shot(self.template, self.format, names, self.declared, few_shot)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, in the order in which they first stand."""
        return tuple(self._names())

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the variables that must be given: those without a default, of which the template does not ask."""
        return required(self._names(), self.declared)

    @property
    def form(self) -> dict[str, Any]:
        """How the template is filled in, as JSON: format, variables and examples, as far as they are set."""
        return make_form(self.format, self.declared, self.few_shot)

    @property
    def hash(self) -> str:
        """Hash of template, parameters, schema and form: two prompts of one hash are the same."""
        return prompt_hash(self.template, self.parameters, self.schema, self.form)

    @property
    def tags(self) -> dict[str, str]:
        """What the ledger is told of a call made with it: prompt, version, alias, and the side of a rollout."""
        version = {} if self.version is None else {"prompt_version": str(self.version)}
        alias = {} if self.alias is None else {"prompt_alias": self.alias}
        return {"prompt": self.name, **version, **alias, **self.assigned}

    @property
    def label(self) -> str:
        """Name and version as a person says them: `summary v3`."""
        return f"{self.name} v{self.version}" if self.version is not None else f"{self.name} (draft)"

    def render(self, /, **values: Any) -> list[dict[str, Any]]:
        """Return the messages with the variables replaced, and the examples in their place.

        Raises InvalidInput that names what is missing, what is too much, and what is of another type than declared.
        """
        return render(self.template, values, syntax=self.format, declared=self.declared, few_shot=self.few_shot)

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
        asked = gateway if gateway is not None else default_gateway()
        return asked.chat(self.render(**values), tags={**self.tags, **(tags or {})}, **self.arguments(model=model))

    def described(self, variable: str) -> str:
        """Return a variable with what is declared of it, as a person reads it."""
        declared = self.declared.get(variable)
        return variable if declared is None else f"{variable} ({declared})"

    def _names(self) -> dict[str, bool]:
        """Return the variables and whether the template needs each; the place of the examples is none."""
        names = names_of_template(self.template, self.format)
        if self.few_shot is not None:
            names.pop(PLACE, None)
        return names

    def __str__(self) -> str:
        return "\n".join(as_lines(self.template))
