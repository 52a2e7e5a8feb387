"""Rendering: values are checked, examples put in their place, and each message filled in by the prompt's own syntax."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.prompts.form import FORMATS, Format
from workbench.prompts.template import Template, as_text
from workbench.prompts.variable import Variable
from workbench.wire.few_shot import PLACE, Message, as_messages, block, question_of, turns
from workbench.wire.filling import fill, names_in

if TYPE_CHECKING:
    from workbench.prompts.few_shot import FewShot


def names_of(content: Any, syntax: Format) -> dict[str, bool]:
    """Return the variables of a text (or of parts, or messages) and whether each must be given, in their order.

    Raises InvalidInput with line and column for what is no template.
    """
    if syntax == "braces":
        return dict.fromkeys(names_in(content), True)
    from workbench.prompts import jinja  # noqa: PLC0415 - a compiler, loaded with the first prompt that needs it

    found: dict[str, bool] = {}
    for text in _texts(content):
        for name, needed in jinja.names_in(text):
            found[name] = found.get(name, False) or needed
    return found


def names_of_template(template: Any, syntax: Format) -> dict[str, bool]:
    """Return the variables of a template, as `names_of`; an error says in which message it is."""
    if syntax not in FORMATS:
        raise InvalidInput(f"No format {syntax!r}. Known: {', '.join(FORMATS)}.", param="format")
    found: dict[str, bool] = {}
    for number, message in enumerate(as_messages(template), start=1):
        try:
            names = names_of(message["content"], syntax)
        except InvalidInput as error:
            place = "The template" if isinstance(template, str) else f"Message {number} of the template"
            raise InvalidInput(f"{place} can't be read: {error.message}", hint=error.hint, param="template") from error
        for name, needed in names.items():
            found[name] = found.get(name, False) or needed
    return found


def render(
    template: Template,
    values: Mapping[str, Any],
    *,
    syntax: Format = "braces",
    declared: Mapping[str, Variable] | None = None,
    few_shot: FewShot | None = None,
) -> list[Message]:
    """Return the messages with each variable replaced; what is put in is never read as a template again.

    Text stands as it is, anything else as JSON. Raises InvalidInput that names what is missing, too much, or of
    another type than was declared.
    """
    names = names_of_template(template, syntax)
    marked = few_shot is not None and PLACE in names
    read = _checked({name: names[name] for name in names if not (marked and name == PLACE)}, values, declared or {})
    messages = as_messages(template)

    def fill_in(content: Any, given: Mapping[str, Any]) -> Any:
        return _fill(content, given, syntax)

    shown: list[Message] = []
    if few_shot is not None:
        if marked:
            read[PLACE] = block(few_shot.as_dict(), fill_in)
        else:
            shown = turns(messages, [{"inputs": s.inputs, "output": s.output} for s in few_shot.shots], fill_in)
    filled = []
    for number, message in enumerate(messages, start=1):
        try:
            filled.append({**message, "content": fill_in(message["content"], read)})
        except InvalidInput as error:
            place = "" if isinstance(template, str) or syntax == "braces" else f"Message {number}: "
            raise InvalidInput(f"{place}{error.message}", hint=error.hint) from error
    at = question_of(messages) or 0
    return [*filled[:at], *shown, *filled[at:]]


def required(names: Mapping[str, bool], declared: Mapping[str, Variable]) -> tuple[str, ...]:
    """Return the variables that must be given: a default stands in, and a template may do without."""
    return tuple(name for name, needed in names.items() if (declared[name].required if name in declared else needed))


def check_declared(names: Mapping[str, bool], declared: Mapping[str, Any]) -> dict[str, Variable]:
    """Return what is declared of the variables; raises InvalidInput for one that the template does not have."""
    for name in declared:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise InvalidInput(
                f"The variable {name!r} is declared and not in the template{meant}. "
                f"The template takes: {', '.join(names) or 'none'}.",
                param="variables",
            )
    return {str(name): Variable.of(str(name), given) for name, given in declared.items()}


def check_few_shot(
    template: Any, syntax: Format, names: Mapping[str, bool], declared: Mapping[str, Variable], few_shot: FewShot
) -> None:
    """Make sure that the examples can be shown; raises InvalidInput that names the example and what is wrong."""
    if PLACE in names:
        wanted = names_of(few_shot.each, syntax) if few_shot.each is not None else {}
        _check_shots(few_shot, {name: needed for name, needed in wanted.items() if name != "output"}, declared, None)
    else:
        messages = as_messages(template)
        at = question_of(messages)
        wanted = names_of(messages[at]["content"], syntax) if at is not None else {}
        if not wanted:
            raise InvalidInput(
                "The examples have no place: the last user message has no variable that they could fill in.",
                hint="Mark the place where they are to stand with {{few_shot}}.",
                param="few_shot",
            )
        if few_shot.each is not None:
            raise InvalidInput(
                "`each` says how an example is written as text, but the template marks no place for it.",
                hint="Mark it with {{few_shot}}, or leave `each` out: the examples are then turns.",
                param="few_shot",
            )
        _check_shots(few_shot, wanted, declared, names)
    if syntax == "braces":
        _check_braces(few_shot, names)


def _check_shots(
    few_shot: FewShot,
    wanted: Mapping[str, bool],
    declared: Mapping[str, Variable],
    known: Mapping[str, bool] | None,
) -> None:
    for number, shot in enumerate(few_shot.shots, start=1):
        missing = [name for name, needed in wanted.items() if needed and name not in shot.inputs]
        unknown = [name for name in shot.inputs if known is not None and name not in known]
        if missing or unknown:
            said = [
                *([f"lacks {', '.join(map(repr, missing))}"] if missing else []),
                *([f"has {', '.join(map(repr, unknown))}, which the template does not take"] if unknown else []),
            ]
            raise InvalidInput(f"Example {number} of the prompt {' and '.join(said)}.", param="few_shot")
        for name, value in shot.inputs.items():
            if name in declared:
                try:
                    declared[name].checked(name, value)
                except InvalidInput as error:
                    raise InvalidInput(f"Example {number} of the prompt: {error.message}", param="few_shot") from error


def _check_braces(few_shot: FewShot, names: Mapping[str, bool]) -> None:
    """Refuse examples that hold a variable's mark: applications in other languages would fill it in."""
    for number, shot in enumerate(few_shot.shots, start=1):
        marks = [name for name in names_in([*shot.inputs.values(), shot.output]) if name in names]
        if marks:
            raise InvalidInput(
                f"Example {number} of the prompt holds {{{{{marks[0]}}}}}, which stands for a variable.",
                hint="Write it in another way.",
                param="few_shot",
            )


def _checked(names: Mapping[str, bool], values: Mapping[str, Any], declared: Mapping[str, Variable]) -> dict[str, Any]:
    """Return a value for each variable that has one."""
    missing = [name for name in required(names, declared) if name not in values]
    extra = [name for name in values if name not in names]
    if missing or extra:
        raise InvalidInput(_mismatch(names, missing, extra))
    read: dict[str, Any] = {}
    wrong: list[str] = []
    for name in names:
        variable = declared.get(name)
        if name in values and variable is not None:
            try:
                read[name] = variable.checked(name, values[name])
            except InvalidInput as error:
                wrong.append(error.message)
        elif name in values:
            read[name] = values[name]
        elif variable is not None:
            read[name] = variable.checked(name, variable.default)
    if wrong:
        raise InvalidInput(" ".join(wrong))
    return read


def _fill(content: Any, values: Mapping[str, Any], syntax: Format) -> Any:
    if syntax == "braces":
        return fill(content, {name: as_text(value) for name, value in values.items()})
    from workbench.prompts import jinja  # noqa: PLC0415 - a compiler, loaded with the first prompt that needs it

    plain = {name: json.loads(json.dumps(_json(value))) for name, value in values.items()}

    def look(part: Any) -> Any:
        if isinstance(part, str):
            return jinja.render(part, plain)
        if isinstance(part, dict):
            return {key: look(inner) for key, inner in part.items()}
        return [look(inner) for inner in part] if isinstance(part, list) else part

    return look(content)


def _json(value: Any) -> Any:
    as_text(value)  # raises for what is no JSON
    return value


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return [text for part in parts for text in _texts(part)]


def _mismatch(names: Mapping[str, bool], missing: list[str], extra: list[str]) -> str:
    said = []
    if missing:
        said.append(f"missing {', '.join(map(repr, missing))}")
    if extra:
        near = {name: get_close_matches(name, names, n=1) for name in extra}
        shown = [repr(name) + (f" (did you mean {near[name][0]!r}?)" if near[name] else "") for name in extra]
        said.append(f"not in the template: {', '.join(shown)}")
    takes = ", ".join(names) or "none"
    return f"The variables do not fit: {'; '.join(said)}. The template takes: {takes}."
