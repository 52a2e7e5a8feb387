"""A prompt in a file, so that it can lie under version control: plain text, or JSON or TOML with parameters."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput
from workbench.prompts.prompt import Prompt

_KEYS = ("template", "parameters", "schema")


def read_prompt(name: str, path: Path) -> Prompt:
    """Read a draft from a file; raises InvalidInput.

    `.json` and `.toml` hold `template` (a text or a list of messages), and if wanted `parameters` and `schema`; a
    JSON file may also be just the list of messages. Any other file is the template itself, as one user message.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read: {error}.") from error
    fields = _fields(path, text)
    if unknown := sorted(set(fields) - set(_KEYS)):
        raise InvalidInput(f"{path}: unknown {', '.join(map(repr, unknown))}. Known: {', '.join(_KEYS)}.")
    if "template" not in fields:
        raise InvalidInput(f"{path} has no 'template'.")
    return Prompt(
        name, fields["template"], parameters=fields.get("parameters") or {}, schema=fields.get("schema") or None
    )


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
