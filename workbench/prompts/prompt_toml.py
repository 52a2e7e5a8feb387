"""Write a prompt as TOML, to lie under version control; `prompt_file` reads it back.

A template stands in it as it reads, so that a change can be reviewed line by line, and the same prompt gives the same
bytes. What TOML can't say (null, large numbers), and a schema, whose order counts, is a text with JSON in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workbench.prompts.prompt import Prompt

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def write_prompt(prompt: Prompt) -> str:
    """Return a prompt as the text of a TOML file."""
    form = prompt.form
    parts = {"parameters": dict(sorted(prompt.parameters.items())), "variables": form.get("variables") or {}}
    parts["few_shot"] = form.get("few_shot") or {}
    as_json = {key: part for key, part in parts.items() if part and not _tables(part)}
    if prompt.schema is not None:
        as_json["schema"] = dict(prompt.schema)
    lines = [f"{key} = {_json_text(part)}" for key, part in as_json.items()]
    if parts["parameters"] and "parameters" not in as_json:
        lines += ["", "[parameters]", *_rows(parts["parameters"])]
    if "variables" not in as_json:
        for name, variable in parts["variables"].items():
            lines += ["", f"[variables.{_key(name)}]", *_rows(variable)]
    if isinstance(prompt.template, list):
        lines += _messages(prompt.template)
    if parts["few_shot"] and "few_shot" not in as_json:
        lines += _few_shot(parts["few_shot"])
    return "\n".join([*_head(prompt), *lines]).lstrip("\n") + "\n"


def _head(prompt: Prompt) -> list[str]:
    lines = []
    if prompt.message is not None:
        lines.append(f"message = {_basic(prompt.message)}")
    if prompt.format != "braces":
        lines.append(f"format = {_basic(prompt.format)}")
    if isinstance(prompt.template, str):
        lines.append(f"template = {_text(prompt.template)}")
    return lines


def _messages(messages: list[dict[str, Any]]) -> list[str]:
    lines = []
    for message in messages:
        content = message["content"]
        lines += ["", "[[messages]]", f"role = {_basic(message['role'])}"]
        lines.append(f"content = {_text(content)}" if isinstance(content, str) else f"parts = {_json_text(content)}")
    return lines


def _few_shot(few_shot: Mapping[str, Any]) -> list[str]:
    lines = []
    if own := {key: value for key, value in few_shot.items() if key != "examples"}:
        lines += ["", "[few_shot]", *_rows(own)]
    for example in few_shot["examples"]:
        lines += ["", "[[few_shot.examples]]", *_rows({"output": example["output"]})]
        lines += ["[few_shot.examples.inputs]", *_rows(example["inputs"])]
    return lines


def _tables(value: Any) -> bool:
    """Whether TOML can say it."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _tables(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_tables, value))
    whole = isinstance(value, int) and not -(2**63) <= value < 2**63
    return isinstance(value, (str, bool, int, float)) and not whole


def _rows(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _key(key: str) -> str:
    plain = key and all(each.isascii() and (each.isalnum() or each in "-_") for each in key)
    return key if plain else _basic(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value) if "\n" in value else _basic(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        shown = repr(value)
        return shown if "." in shown or "n" in shown else shown.replace("e", ".0e", 1)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)


def _json_text(value: Any) -> str:
    return _text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _text(text: str) -> str:
    """Return a text as TOML: as it reads where it has several lines or quotes, else in one line."""
    if "\n" not in text:
        return _basic(text)
    if "'''" not in text and not text.endswith("'") and not any(_control(each) for each in text) and "\\" in text:
        return f"'''\n{text}'''"
    shown, quotes = [], 0
    for at, each in enumerate(text):
        quotes = quotes + 1 if each == '"' else 0
        if quotes == 3 or (quotes and at == len(text) - 1):  # three of them would end it
            shown.append('\\"')
            quotes = 0
        else:
            shown.append(each if each in '\n\t"' else _ESCAPES.get(each) or _escaped(each))
    return f'"""\n{"".join(shown)}"""'


def _basic(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(each) or _escaped(each) for each in text) + '"'


def _escaped(each: str) -> str:
    return f"\\u{ord(each):04x}" if _control(each) else each


def _control(each: str) -> bool:
    return (ord(each) < 0x20 and each not in "\n\t") or each == "\x7f"
