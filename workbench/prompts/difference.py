"""What changed between two prompts: text, variables and their types, parameters, schema, examples.

What changed in their behaviour on a dataset is asked of a model: see `experiments.diff_behaviour`.
"""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.prompts.prompt import Prompt
from workbench.prompts.registry import load
from workbench.prompts.template import as_lines

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

_COLOURS = {"+": "rgba(60,190,90,.28)", "-": "rgba(255,80,80,.28)", "@": "rgba(120,120,255,.18)"}


@dataclass(frozen=True)
class PromptDiff:
    """The difference between two prompts; false if there is none."""

    a: Prompt
    """The first."""
    b: Prompt
    """The second."""
    text: tuple[str, ...]
    """Lines of a unified diff of the templates."""
    variables_added: tuple[str, ...]
    """Variables that only the second takes."""
    variables_removed: tuple[str, ...]
    """Variables that only the first takes."""
    parameters: Mapping[str, tuple[Any, Any]]
    """Parameters that differ: value in the first and in the second; None where it is not set."""
    schema_changed: bool
    """Whether the JSON Schemas differ."""
    declared: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Variables that are declared in another way: as JSON, in the first and in the second; None: it is not."""
    format_changed: tuple[str, str] | None = None
    """How the templates are written, where that differs."""
    examples_added: int = 0
    """Examples that only the second shows."""
    examples_removed: int = 0
    """Examples that only the first shows."""
    examples_changed: bool = False
    """Whether the examples differ in any way: which, in which order, or how they are written."""

    def __bool__(self) -> bool:
        return self.a.hash != self.b.hash

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        rows = (
            f'<div style="background:{_COLOURS.get(line[:1], "none")}">{html.escape(line) or "&nbsp;"}</div>'
            for line in self._lines()
        )
        return f'<div style="font-family:monospace;white-space:pre-wrap">{"".join(rows)}</div>'

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON."""
        return {
            "a": self.a.label,
            "b": self.b.label,
            "same": not self,
            "text": list(self.text),
            "variables_added": list(self.variables_added),
            "variables_removed": list(self.variables_removed),
            "parameters": {name: list(values) for name, values in self.parameters.items()},
            "schema_changed": self.schema_changed,
            "declared": {name: list(values) for name, values in self.declared.items()},
            "format": list(self.format_changed) if self.format_changed else None,
            "examples_added": self.examples_added,
            "examples_removed": self.examples_removed,
            "examples_changed": self.examples_changed,
        }

    def _lines(self) -> list[str]:
        if not self:
            return [f"{self.a.label} and {self.b.label} are the same."]
        lines = list(self.text)
        if self.variables_added or self.variables_removed:
            changed = [
                *(f"+{{{{{v}}}}}" for v in self.variables_added),
                *(f"-{{{{{v}}}}}" for v in self.variables_removed),
            ]
            lines.append(f"variables: {' '.join(changed)}")
        lines += [f"{name}: {before!r} -> {after!r}" for name, (before, after) in self.parameters.items()]
        for name, (before, after) in self.declared.items():
            lines.append(f"{{{{{name}}}}}: {_declaration(before)} -> {_declaration(after)}")
        if self.format_changed:
            lines.append("format: {} -> {}".format(*self.format_changed))
        if self.examples_changed:
            counted = f"+{self.examples_added} -{self.examples_removed}"
            only = "their order or how they are written" if counted == "+0 -0" else counted
            lines.append(f"examples: {only}")
        return [*lines, *(["schema: changed"] if self.schema_changed else [])]


def diff(
    a: Prompt | str, b: Prompt | str, *, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> PromptDiff:
    """Compare two prompts, each a `Prompt` or what `load` takes."""
    first, second = (load(each, gateway=gateway, tracker=tracker) if isinstance(each, str) else each for each in (a, b))
    text = difflib.unified_diff(
        as_lines(first.template), as_lines(second.template), first.label, second.label, lineterm="", n=2
    )
    ours, theirs = _shots(first), _shots(second)
    names = sorted({*first.parameters, *second.parameters})
    return PromptDiff(
        first,
        second,
        text=tuple(text),
        variables_added=tuple(v for v in second.variables if v not in first.variables),
        variables_removed=tuple(v for v in first.variables if v not in second.variables),
        parameters={
            name: (first.parameters.get(name), second.parameters.get(name))
            for name in names
            if repr(first.parameters.get(name)) != repr(second.parameters.get(name))  # 0 and 0.0 have two hashes
        },
        schema_changed=first.schema != second.schema,
        declared=_declared(first, second),
        format_changed=(first.format, second.format) if first.format != second.format else None,
        examples_added=len([each for each in theirs if each not in ours]),
        examples_removed=len([each for each in ours if each not in theirs]),
        examples_changed=first.form.get("few_shot") != second.form.get("few_shot"),
    )


def _declared(first: Prompt, second: Prompt) -> dict[str, tuple[Any, Any]]:
    before, after = ({name: each.as_dict() for name, each in prompt.declared.items()} for prompt in (first, second))
    names = dict.fromkeys((*before, *after))
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _declaration(declared: Mapping[str, Any] | None) -> str:
    return "any" if declared is None else json.dumps(declared, ensure_ascii=False)


def _shots(prompt: Prompt) -> list[Any]:
    return [] if prompt.few_shot is None else list(prompt.few_shot.examples)
