"""Templates: a text or chat messages in which `{{name}}` stands for a variable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from workbench.errors import InvalidInput

Template = str | list[dict[str, Any]]
"""One user message, or a list of `{"role", "content"}` messages (examples as chat turns). `content` is a text, or a
list of parts as the OpenAI API has them."""

ROLES = ("system", "developer", "user", "assistant", "tool")
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_LONGEST = 100_000
"""Characters that MLflow's registry keeps of one template."""


def check_template(template: Any) -> Template:
    """Return a template in its own copy; raises InvalidInput that says which message is wrong."""
    if isinstance(template, str):
        messages: list[dict[str, Any]] = [{"role": "user", "content": template}]
    elif isinstance(template, Sequence) and template and all(isinstance(each, Mapping) for each in template):
        messages = json.loads(_as_json(list(map(dict, template))))
    else:
        raise InvalidInput(
            "A template is a text or a list of messages with at least one in it.",
            hint='For example [{"role": "system", "content": "..."}, {"role": "user", "content": "{{question}}"}].',
        )
    for number, message in enumerate(messages, start=1):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise InvalidInput(f"Message {number} has the role {role!r}. Known: {', '.join(ROLES)}.")
        if more := sorted(set(message) - {"role", "content"}):
            raise InvalidInput(f"Message {number} has more than role and content: {', '.join(more)}.")
        parts = content if isinstance(content, list) else [content]
        if not parts or not all(isinstance(part, dict if isinstance(content, list) else str) for part in parts):
            raise InvalidInput(f"Message {number} has no content: expected a text or a list of parts.")
    if not any(json.dumps(message["content"]).strip('"[] ') for message in messages):
        raise InvalidInput("The template is empty.")
    if len(json.dumps(template if isinstance(template, str) else messages)) > _LONGEST:
        raise InvalidInput(f"The template is longer than {_LONGEST:,} characters.")
    return template if isinstance(template, str) else messages


def variables(template: Template) -> tuple[str, ...]:
    """Return the names of a template's variables, in the order in which they first stand."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, str):
            found.update(dict.fromkeys(_VARIABLE.findall(value)))
        elif isinstance(value, dict):
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(template if isinstance(template, str) else [message["content"] for message in template])
    return tuple(found)


def render(template: Template, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages with each variable replaced; what is put in is never read as a template again.

    Text stands as it is, anything else as JSON. Raises InvalidInput that names what is missing and what is too much.
    """
    names = variables(template)
    missing = [name for name in names if name not in values]
    extra = [name for name in values if name not in names]
    if missing or extra:
        raise InvalidInput(*_mismatch(names, missing, extra))

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: _text(values[found[1]]), value)
        if isinstance(value, dict):
            return {key: fill(part) for key, part in value.items()}
        return [fill(part) for part in value] if isinstance(value, list) else value

    if isinstance(template, str):
        return [{"role": "user", "content": fill(template)}]
    return [{**message, "content": fill(message["content"])} for message in template]


def as_lines(template: Template) -> list[str]:
    """Return a template as lines to be read and compared."""
    if isinstance(template, str):
        return template.splitlines()
    lines: list[str] = []
    for message in template:
        content = message["content"]
        text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
        lines += [f"[{message['role']}]", *text.splitlines()]
    return lines


def _mismatch(names: Sequence[str], missing: Sequence[str], extra: Sequence[str]) -> tuple[str]:
    said = []
    if missing:
        said.append(f"missing {', '.join(map(repr, missing))}")
    if extra:
        near = {name: get_close_matches(name, names, n=1) for name in extra}
        shown = [repr(name) + (f" (did you mean {near[name][0]!r}?)" if near[name] else "") for name in extra]
        said.append(f"not in the template: {', '.join(shown)}")
    takes = ", ".join(names) or "none"
    return (f"The variables do not fit: {'; '.join(said)}. The template takes: {takes}.",)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A {type(value).__name__} can't stand in a prompt: {error}.") from error
