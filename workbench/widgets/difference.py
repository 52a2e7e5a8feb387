"""Two prompts as one text: which words went, which came, and what else differs. It needs no kernel to be read."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from workbench import prompts
from workbench.prompts.template import as_lines
from workbench.widgets.panels import table
from workbench.widgets.words import marked

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.prompts import Prompt, PromptDiff
    from workbench.tracking.tracker import Tracker

_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #8888;border-radius:4px;padding:8px"


def diff(
    a: Prompt | str, b: Prompt | str, *, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> Difference:
    """Show word by word what changed from one prompt to another, each a `Prompt` or what `prompts.load` takes.

    Raises what `prompts.load` raises.
    """
    return Difference(prompts.diff(a, b, gateway=gateway, tracker=tracker))


class Difference:
    """A difference of two prompts; false if there is none. A notebook shows it as static HTML."""

    def __init__(self, found: PromptDiff) -> None:
        self.found = found
        """What differs, as lines and values."""

    def __bool__(self) -> bool:
        return bool(self.found)

    def __repr__(self) -> str:
        return str(self.found)

    def _repr_html_(self) -> str:
        return difference_panel(self.found)


def difference_panel(found: PromptDiff) -> str:
    """Return a difference as HTML, everything in it escaped."""
    a, b = found.a, found.b
    if not found:
        return f"<p>{html.escape(str(found))}</p>"
    text = marked(as_lines(a.template), as_lines(b.template))
    others: list[tuple[str, object, object]] = [
        (name, _value(before), _value(after)) for name, (before, after) in found.parameters.items()
    ]
    if found.variables_added or found.variables_removed:
        others.append(("variables", ", ".join(a.variables), ", ".join(b.variables)))
    others += [(f"{{{{{name}}}}}", _value(before), _value(after)) for name, (before, after) in found.declared.items()]
    if found.format_changed:
        others.append(("format", *found.format_changed))
    if found.examples_changed:
        counts = [len(each.few_shot.shots) if each.few_shot else 0 for each in (a, b)]
        others.append(("examples", counts[0], f"{counts[1]} (+{found.examples_added} -{found.examples_removed})"))
    if found.schema_changed:
        others.append(("schema", "none" if a.schema is None else "", "none" if b.schema is None else "changed"))
    more = table(("", a.label, b.label), others, caption="What else differs") if others else ""
    return (
        f"<p><b>{html.escape(a.label)} → {html.escape(b.label)}</b></p>"
        f'<div style="{_TEXT}" role="group" aria-label="Text of the prompt, changes marked">{text}</div>{more}'
    )


def _value(value: object) -> str:
    return "not set" if value is None else repr(value)
