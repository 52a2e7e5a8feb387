"""The form of a prompt: how its template is filled in, as it is kept, hashed and published beside the text.

Only what is set stands in it, so a prompt that sets nothing has none, and the hash that it always had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from workbench.errors import InvalidInput
from workbench.prompts.few_shot import FewShot
from workbench.prompts.variable import Variable

Format = Literal["braces", "jinja"]
"""`braces`: `{{name}}` stands for a variable, all else is text. `jinja`: a Jinja template."""
FORMATS: tuple[Format, ...] = ("braces", "jinja")
_KEYS = ("format", "variables", "few_shot")


def make_form(format: Format, variables: Mapping[str, Variable], few_shot: FewShot | None) -> dict[str, Any]:  # noqa: A002
    """Return the form as JSON."""
    form: dict[str, Any] = {}
    if format != "braces":
        form["format"] = format
    if variables:
        form["variables"] = {name: variable.as_dict() for name, variable in variables.items()}
    if few_shot is not None:
        form["few_shot"] = few_shot.as_dict()
    return form


def read_form(form: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a `Prompt` that a form tells; raises InvalidInput for what this version does not know."""
    form = form or {}
    if unknown := sorted(set(form) - set(_KEYS)):
        raise InvalidInput(
            f"The prompt has unknown {', '.join(map(repr, unknown))}.", hint="A newer workbench may know it: upgrade."
        )
    return {
        "format": form.get("format", "braces"),
        "declared": form.get("variables") or {},
        "few_shot": form.get("few_shot"),
    }
