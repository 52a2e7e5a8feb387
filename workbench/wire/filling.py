"""`{{name}}` in texts: which names there are, and what stands where they stood. What is put in is not read again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def names_in(content: Any) -> tuple[str, ...]:
    """Return the names in a text, or in the texts of a list or a dictionary, in the order in which they first stand."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, str):
            found.update(dict.fromkeys(VARIABLE.findall(value)))
        elif isinstance(value, dict):
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(content)
    return tuple(found)


def fill(content: Any, texts: Mapping[str, str]) -> Any:
    """Return a text, or a list or dictionary with texts in it, with each name replaced; other names stay."""
    if isinstance(content, str):
        return VARIABLE.sub(lambda found: texts.get(found[1], found[0]), content)
    if isinstance(content, dict):
        return {key: fill(part, texts) for key, part in content.items()}
    return [fill(part, texts) for part in content] if isinstance(content, list) else content
