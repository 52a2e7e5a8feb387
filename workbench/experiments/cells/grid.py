"""Make the candidates of a grid: every prompt with every model and every combination of parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from workbench.errors import InvalidInput
from workbench.experiments.cells.candidate import Candidate
from workbench.prompts import Prompt
from workbench.prompts.template import Template


def grid(
    prompts: Sequence[Prompt | Template] | Mapping[str, Prompt | Template],
    models: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> list[Candidate]:
    """Return a candidate for each prompt, model and combination of parameters, in this order.

    `prompts` are versions of prompts or plain templates, by name where a mapping gives them names; without `models`
    each prompt asks its own. `parameters` maps a name to the list of its values, or to one value that all share. A
    candidate is named by what tells it from the others: `summary v3, gpt-4o-mini, temperature=0`. Raises InvalidInput
    for an empty axis, and for two candidates that would be the same.
    """
    named = list(prompts.items()) if isinstance(prompts, Mapping) else _labels(prompts)
    axes = {name: list(values) if _is_axis(values) else [values] for name, values in (parameters or {}).items()}
    lacking = [axis for axis, values in {"prompts": named, **axes}.items() if not values]
    if lacking or isinstance(models, str):
        what = f"{lacking[0]} has no value" if lacking else "models is a list of names"
        raise InvalidInput(f"A grid can't be made: {what}.", hint='grid(prompts=[...], models=["..."])')
    varied = [name for name, values in axes.items() if len(values) > 1]
    made = []
    for (label, prompt), model, values in product(named, models or (None,), product(*axes.values())):
        chosen = dict(zip(axes, values, strict=True))
        told = [
            *([label] if len(named) > 1 else []),
            *([model] if model is not None and len(models) > 1 else []),
            *(f"{name}={_short(chosen[name])}" for name in varied),
        ]
        given: Any = prompt
        made.append(Candidate(", ".join(told) or label, prompt=given, model=model, parameters=chosen))
    if twice := [name for name, count in Counter(each.name for each in made).items() if count > 1]:
        raise InvalidInput(f"Two candidates of the grid are named {twice[0]!r}.", hint="Is a value given twice?")
    return made


def _labels(prompts: Sequence[Prompt | Template]) -> list[tuple[str, Prompt | Template]]:
    if isinstance(prompts, str | Prompt):
        prompts = [prompts]
    labels = [each.label if isinstance(each, Prompt) else f"prompt {number}" for number, each in enumerate(prompts, 1)]
    return list(zip(labels, prompts, strict=True))


def _is_axis(values: Any) -> bool:
    return isinstance(values, list | tuple | range)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
