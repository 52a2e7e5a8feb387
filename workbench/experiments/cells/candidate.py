"""Candidates: what an experiment compares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence.canonical import plain
from workbench.prompts import Prompt
from workbench.wire.prompt_hash import prompt_hash


@dataclass(frozen=True)
class Candidate:
    """A prompt version with a model and parameters, or any callable from an example's inputs to an output."""

    name: str
    """Its name in tables and plots, and that of its MLflow run."""
    prompt: Prompt | None = None
    """The prompt. A plain text or list of messages becomes a draft, which can be compared but not promoted."""
    model: str | None = None
    """The model to ask; default: the one among the prompt's parameters."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call (temperature, max_tokens, ...); they go before those of the prompt."""
    call: Callable[[dict[str, Any]], Any] | None = None
    """Instead of a prompt: a function that takes the inputs as a dict, in a thread of its own, and returns a str, the
    bytes of an image, a ChatResult or anything with `.text`."""
    version: str | None = None
    """For a callable: a word that changes whenever its answers may. With one, its answers are kept in the journal."""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidInput("A candidate needs a name.")
        if (self.prompt is None) == (self.call is None):
            raise InvalidInput(
                f"The candidate {self.name!r} needs a prompt or a callable, and not both.",
                hint="Candidate(name, prompt=prompts.load(...), model=...) or Candidate(name, call=function).",
            )
        given: object = self.prompt
        if isinstance(given, (str, list)):
            draft = Prompt(re.sub(r"[^A-Za-z0-9_.-]+", "-", self.name), given)
            object.__setattr__(self, "prompt", draft)
        object.__setattr__(self, "parameters", dict(self.parameters))
        if self.prompt is not None and not self.model_name:
            raise InvalidInput(f"The candidate {self.name!r} names no model.", hint='Pass model="...".')

    @property
    def model_name(self) -> str | None:
        """The model that is asked; None for a callable that does not say."""
        own = self.model or self.parameters.get("model")
        return own or (self.prompt.parameters.get("model") if self.prompt is not None else None)

    @property
    def arguments(self) -> dict[str, Any]:
        """What goes with the messages into `Gateway.chat`: the model and all parameters of the call."""
        own = {name: value for name, value in self.parameters.items() if name != "model"}
        return own if self.prompt is None else {**self.prompt.arguments(model=self.model_name), **own}

    @property
    def prompt_hash(self) -> str | None:
        """Hash of what is sent, the model aside: it is the prompt's own unless the candidate has other parameters."""
        if self.prompt is None:
            return None
        own = {name: value for name, value in self.parameters.items() if name != "model"}
        parameters = {**self.prompt.parameters, **own}
        return prompt_hash(self.prompt.template, parameters, self.prompt.schema, self.prompt.form)

    def messages(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the prompt with an example's inputs; inputs that it does not name are left out.

        Raises InvalidInput if a variable is missing.
        """
        assert self.prompt is not None
        wanted = self.prompt.variables
        return self.prompt.render(**{name: value for name, value in inputs.items() if name in wanted})

    @cached_property
    def identity(self) -> dict[str, Any] | None:
        """What its answers depend on beside the inputs; None if that can't be known."""
        if self.prompt is None:
            return None if self.version is None else {"call": self.name, "version": self.version}
        arguments = plain(self.arguments, where=f"{self.name}: parameters")
        return {"prompt": self.prompt.hash, "arguments": arguments}
