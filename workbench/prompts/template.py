"""Templates: a text or chat messages. What stands in them for a variable is told by the prompt's format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import InvalidInput

Template = str | list[dict[str, Any]]
"""One user message, or a list of `{"role", "content"}` messages (examples as chat turns). `content` is a text, or a
list of parts as the OpenAI API has them."""

ROLES = ("system", "developer", "user", "assistant", "tool")
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


def as_text(value: Any) -> str:
    """Return a value as it stands in a prompt: text as it is, anything else as JSON; raises InvalidInput."""
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A {type(value).__name__} can't stand in a prompt: {error}.") from error
