"""A cell that is a prompt: its template is filled in from the notebook's variables, kept under a name, and asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench import prompts
from workbench.errors import InvalidInput
from workbench.interactive.chat import default_model, show
from workbench.interactive.side_by_side import ask_all
from workbench.prompts import Prompt
from workbench.prompts.defaults import default_gateway

if TYPE_CHECKING:
    from workbench.client import Gateway, Stream
    from workbench.interactive.answer import ShownAnswer
    from workbench.interactive.side_by_side import SideBySide

_DRAFT = "cell"


def ask_cell(
    template: str | None,
    *,
    name: str | None = None,
    model: str | None = None,
    compare: Sequence[str] = (),
    parameters: Mapping[str, Any],
    given: Mapping[str, str],
    variables: Mapping[str, Any],
    gateway: Gateway | None = None,
) -> ShownAnswer | SideBySide:
    """Ask one model, or several beside each other, by the template of a cell; show what comes.

    With a `name` the template becomes a version of that prompt, unless its latest one is the same; without a template
    that prompt is loaded, by `name`, `name@3` or `name@production`. A variable is what is `given` for it, else the
    notebook's own of that name. Raises InvalidInput that names a variable that is missing.
    """
    if model is not None and compare:
        raise InvalidInput("Both --model and --compare name models.", hint="Leave one of them out.")
    asked = gateway if gateway is not None else default_gateway()
    if template is None:
        if name is None:
            raise InvalidInput("There is no prompt.", hint="Write one into the cell below %%prompt, or name one.")
        found = prompts.load(name, gateway=asked)
        messages = found.render(**_values(found, given, variables))
    else:
        draft = Prompt(name or _DRAFT, template, parameters=_kept(model, parameters))
        messages = draft.render(**_values(draft, given, variables))  # what can't be asked is not kept
        found = draft if name is None else prompts.register(name, template, parameters=draft.parameters)

    def ask(which: str) -> Stream:
        wanted = {**found.arguments(model=which), **parameters}
        return asked.stream(messages, tags=_origin(found), **wanted)

    if compare:
        return ask_all(compare, ask)
    chosen = model or found.parameters.get("model") or default_model(asked)
    return show(ask(chosen), model=chosen)


def _kept(model: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {**({"model": model} if model else {}), **parameters}


def _origin(found: Prompt) -> dict[str, str]:
    """Return what the ledger is to say of the prompt; a cell that was not named has none."""
    if found.version is None:
        return {}
    return {"prompt": found.name, "prompt_version": str(found.version)}


def _values(prompt: Prompt, given: Mapping[str, str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each variable of the template."""
    if unknown := [name for name in given if name not in prompt.variables]:
        takes = ", ".join(prompt.variables) or "none"
        raise InvalidInput(f"The prompt has no variable {unknown[0]!r}.", hint=f"Its variables: {takes}.")
    missing = [name for name in prompt.required if name not in given and name not in variables]
    if missing:
        names = ", ".join(f"{{{{{name}}}}}" for name in missing)
        raise InvalidInput(
            f"The prompt asks for {names}, and the notebook has no variable of that name.",
            hint=f"Set it in a cell ({missing[0]} = ...), or pass --var {missing[0]}=TEXT.",
        )
    found = {name: _plain(variables[name]) for name in prompt.variables if name in variables}
    return {**found, **given}


def _plain(value: Any) -> Any:
    """Return a value as a prompt takes it: what JSON does not know, a DataFrame for example, as it prints."""
    if isinstance(value, str):
        return value
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value
