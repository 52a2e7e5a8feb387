"""What changed between two prompts: text, variables, parameters, schema."""

from __future__ import annotations

import difflib
import html
from collections.abc import Mapping
from dataclasses import dataclass
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
        return [*lines, *(["schema: changed"] if self.schema_changed else [])]


def diff(
    a: Prompt | str, b: Prompt | str, *, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> PromptDiff:
    """Compare two prompts, each a `Prompt` or what `load` takes."""
    first, second = (load(each, gateway=gateway, tracker=tracker) if isinstance(each, str) else each for each in (a, b))
    text = difflib.unified_diff(
        as_lines(first.template), as_lines(second.template), first.label, second.label, lineterm="", n=2
    )
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
    )
