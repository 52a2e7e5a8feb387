"""Examples that belong to a prompt: what was asked and the right answer, shown to the model before the question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.wire.few_shot import as_text

if TYPE_CHECKING:
    from workbench.evidence import Example

BYTES_PER_TOKEN = 4
"""About what a token of English text takes."""
_SEPARATOR = "\n\n"
_KEYS = ("examples", "each", "separator", "max_tokens")


@dataclass(frozen=True)
class Shot:
    """One example."""

    inputs: Mapping[str, Any]
    """What was put into the variables of the question; JSON values."""
    output: Any
    """The right answer: a text, or a JSON value."""

    @classmethod
    def of(cls, given: Any, number: int) -> Shot:
        """Return what is meant by a Shot, an `Example` of a dataset, or `{"inputs": {...}, "output": ...}`."""
        if isinstance(given, Shot):
            return given
        if hasattr(given, "inputs") and hasattr(given, "expected"):
            given = {"inputs": given.inputs, "output": given.expected}
        if not isinstance(given, Mapping) or set(given) != {"inputs", "output"}:
            held = ", ".join(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
            raise InvalidInput(
                f"Example {number} of the prompt is no {{inputs, output}}: it has {held}.", param="few_shot"
            )
        if not isinstance(given["inputs"], Mapping) or given["output"] is None:
            raise InvalidInput(
                f"Example {number} of the prompt needs inputs by name, and an output.",
                hint='{"inputs": {"message": "..."}, "output": "..."}',
                param="few_shot",
            )
        try:
            plain = json.loads(json.dumps(dict(given), ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"Example {number} of the prompt is no JSON: {error}.", param="few_shot") from error
        return cls(plain["inputs"], plain["output"])


@dataclass(frozen=True)
class FewShot:
    """The examples of a prompt.

    Where the template has `{{few_shot}}` in it they stand there as text. Else they are turns of the conversation: the
    last user message as each example would have asked it, and the answer, right before the question itself.
    """

    examples: Sequence[Shot | Example | Mapping[str, Any]]
    """The examples, each `{"inputs", "output"}`; in the order in which they are shown."""
    each: str | None = None
    """As text: how one is written, with `{{output}}` for its answer; default: a line `name: value` for each input, and
    one for the output."""
    separator: str = _SEPARATOR
    """As text: what stands between two."""
    max_tokens: int | None = None
    """The most tokens that the block may take, by an estimate of 4 bytes a token; more is refused."""
    shots: tuple[Shot, ...] = field(init=False, repr=False, compare=False, default=())
    """The examples, read."""

    def __post_init__(self) -> None:
        if isinstance(self.examples, (str, Mapping)) or not isinstance(self.examples, Sequence) or not self.examples:
            raise InvalidInput("`few_shot` is a list with at least one example in it.", param="few_shot")
        for key, value in (("each", "" if self.each is None else self.each), ("separator", self.separator)):
            if not isinstance(value, str):
                raise InvalidInput(f"`{key}` of few_shot is a text, not {value!r}.", param="few_shot")
        if self.max_tokens is not None and type(self.max_tokens) is not int:
            raise InvalidInput(
                f"`max_tokens` of few_shot is a whole number, not {self.max_tokens!r}.", param="few_shot"
            )
        shots = tuple(Shot.of(each, number) for number, each in enumerate(self.examples, start=1))
        object.__setattr__(self, "shots", shots)
        object.__setattr__(self, "examples", [{"inputs": dict(s.inputs), "output": s.output} for s in shots])
        if self.max_tokens is not None and self.tokens > self.max_tokens:
            raise InvalidInput(
                f"{len(shots)} examples take about {self.tokens:,} tokens; max_tokens is {self.max_tokens:,}.",
                hint="Take fewer or shorter examples.",
                param="few_shot",
            )

    @classmethod
    def of(cls, given: Any) -> FewShot | None:
        """Return what is meant by None, a FewShot, a list of examples, or a dictionary of this class's fields."""
        if given is None or isinstance(given, FewShot):
            return given
        if isinstance(given, Mapping):
            if unknown := sorted(set(map(str, given)) - set(_KEYS)):
                raise InvalidInput(
                    f"few_shot has unknown {', '.join(map(repr, unknown))}. Known: {', '.join(_KEYS)}.",
                    param="few_shot",
                )
            return cls(**{"examples": (), **given})
        return cls(given)

    @property
    def tokens(self) -> int:
        """About how many tokens the examples take: 4 bytes each, and 8 for what stands around an example."""
        return sum(
            8 + len(as_text(value).encode()) // BYTES_PER_TOKEN
            for shot in self.shots
            for value in (*shot.inputs.values(), shot.output)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON; what is not set stays away."""
        told: dict[str, Any] = {"examples": self.examples}
        if self.each is not None:
            told["each"] = self.each
        if self.separator != _SEPARATOR:
            told["separator"] = self.separator
        if self.max_tokens is not None:
            told["max_tokens"] = self.max_tokens
        return told
