"""Read a prompt from a file: plain text, or JSON or TOML with all that belongs to it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput
from workbench.prompts.prompt import Prompt

_KEYS = ("template", "messages", "format", "message", "parameters", "schema", "variables", "few_shot")
_TEXTS = ("format", "message")
_TABLES = ("parameters", "schema", "variables")
_AS_JSON = (*_TABLES, "few_shot")
"""What may stand as a text with JSON in it, since TOML knows no null and keeps no order between values and tables."""


def read_prompt(name: str, path: Path) -> Prompt:
    """Read a draft from a file; raises InvalidInput.

    `.json` and `.toml` hold `template` (a text or a list of messages) or `messages`, and if wanted `format`,
    `variables`, `parameters`, `schema`, `few_shot` and `message` (what changed). A JSON file may also be just the list
    of messages. Any other file is the template itself, as one user message.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read: {error}.") from error
    fields = _fields(path, text)
    if unknown := sorted(set(fields) - set(_KEYS)):
        raise InvalidInput(f"{path}: unknown {', '.join(map(repr, unknown))}. Known: {', '.join(_KEYS)}.")
    if ("template" in fields) == ("messages" in fields):
        both = "both 'template' and 'messages'" if "template" in fields else "no 'template'"
        raise InvalidInput(f"{path} has {both}.", hint="Write one of the two.")
    told = {key: _structure(path, key, value) if key in _AS_JSON else value for key, value in fields.items()}
    for keys, kind, expected in ((_TEXTS, str, "a text"), (_TABLES, Mapping, "a table")):
        for key in keys:
            if told.get(key) is not None and not isinstance(told[key], kind):
                raise InvalidInput(f"{path}: '{key}' is of type {type(told[key]).__name__}; expected {expected}.")
    template = told["template"] if "template" in told else _messages(path, told["messages"])
    try:
        return Prompt(
            name,
            template,
            parameters=told.get("parameters") or {},
            schema=told.get("schema") or None,
            format=told.get("format", "braces"),
            declared=told.get("variables") or {},
            few_shot=told.get("few_shot"),
            message=told.get("message"),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint, param=error.param) from error


def _messages(path: Path, messages: Any) -> Any:
    """Return messages of a file, whose `parts` are content as JSON."""
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        raise InvalidInput(f"{path}: 'messages' is a list of tables with role and content.")
    read = []
    for message in messages:
        told = dict(message)
        if "parts" in told and "content" not in told:
            told["content"] = _structure(path, "parts", told.pop("parts"))
        read.append(told)
    return read


def _structure(path: Path, key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise InvalidInput(f"{path}: '{key}' is a text and holds no JSON: {error}.") from error


def _fields(path: Path, text: str) -> dict[str, Any]:
    if path.suffix not in (".json", ".toml"):
        return {"template": text.rstrip("\n")}
    try:
        parsed: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{path} is not {path.suffix[1:].upper()}: {error}.") from error
    if isinstance(parsed, list):
        return {"template": parsed}
    if not isinstance(parsed, dict):
        raise InvalidInput(f"{path} holds a {type(parsed).__name__}; expected a prompt or a list of messages.")
    return parsed
