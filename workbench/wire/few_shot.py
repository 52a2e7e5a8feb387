"""Where the examples of a prompt go: turns of the conversation before the last question, or text at a marked place.

Shared by who renders a prompt and by the gateway, which hands it out to applications in any language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.wire.filling import fill, names_in

PLACE = "few_shot"
"""The name that marks the place of the examples in a template."""
Message = dict[str, Any]
Fill = Callable[[Any, Mapping[str, Any]], Any]
"""Takes a text (or parts of a message) and values by name; returns it filled in."""


def as_text(value: Any) -> str:
    """Return a value as it stands in a prompt: text as it is, anything else as JSON; raises TypeError, ValueError."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def filled(content: Any, values: Mapping[str, Any]) -> Any:
    """Fill in `{{name}}`; names without a value stay."""
    return fill(content, {name: as_text(value) for name, value in values.items()})


def as_messages(template: str | Sequence[Mapping[str, Any]]) -> list[Message]:
    """Return a template as chat messages; a text is one user message."""
    if isinstance(template, str):
        return [{"role": "user", "content": template}]
    return [dict(message) for message in template]


def question_of(messages: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the place of the last user message, which the examples repeat; None if there is none."""
    return next((at for at in reversed(range(len(messages))) if messages[at]["role"] == "user"), None)


def turns(messages: Sequence[Message], examples: Sequence[Mapping[str, Any]], fill_in: Fill) -> list[Message]:
    """Return a question and an answer for each example: the last user message as the example would have asked it."""
    at = question_of(messages)
    if at is None:
        return []
    made: list[Message] = []
    for example in examples:
        asked = fill_in(messages[at]["content"], example["inputs"])
        made += [{"role": "user", "content": asked}, {"role": "assistant", "content": as_text(example["output"])}]
    return made


def block(few_shot: Mapping[str, Any], fill_in: Fill) -> str:
    """Return the examples as one text, for the marked place."""
    each = few_shot.get("each")
    texts = []
    for example in few_shot["examples"]:
        told = {**example["inputs"], "output": example["output"]}
        if each is None:
            texts.append("\n".join(f"{name}: {as_text(value)}" for name, value in told.items()))
        else:
            texts.append(fill_in(each, told))
    return str(few_shot.get("separator", "\n\n")).join(texts)


def with_examples(template: str | Sequence[Mapping[str, Any]], form: Mapping[str, Any] | None) -> list[Message]:
    """Return the messages of a template with its examples in their place, and the variables still open.

    What is no `{{name}}` template stays as it is: who takes it has to know its syntax.
    """
    messages, form = as_messages(template), form or {}
    few_shot = form.get("few_shot")
    if not few_shot or form.get("format") is not None:
        return messages
    if PLACE in names_in([message["content"] for message in messages]):
        return [
            {**message, "content": fill(message["content"], {PLACE: block(few_shot, filled)})} for message in messages
        ]
    at = question_of(messages)
    shown = turns(messages, few_shot["examples"], filled)
    return [*messages[:at], *shown, *messages[at:]] if at is not None else messages
