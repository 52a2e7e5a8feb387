"""A value that fits a JSON schema: what simulated models answer where they are held to one."""

from __future__ import annotations

import math
from typing import Any

_DEPTH = 40
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "a@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def fit(schema: dict[str, Any], text: str) -> Any:
    """Return the smallest value that fits a schema; its free strings are `text`. Types may be in capitals (Gemini)."""
    return _fit(schema, text, schema, _DEPTH)


def _fit(schema: Any, text: str, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return text
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    instead = _instead(schema, root)
    return _of_type(schema, text, root, depth) if instead is None else _fit(instead, text, root, depth - 1)


def _instead(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return the schema that this one refers to, chooses or joins; None where it stands for itself."""
    if "$ref" in schema:
        return _referred(schema["$ref"], root)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return choices[0]
    if not schema.get("allOf"):
        return None
    merged: dict[str, Any] = {}
    for told in schema["allOf"]:
        part = _referred(told["$ref"], root) if "$ref" in told else told
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        merged = {**merged, **part, **({"properties": properties} if properties else {})}
    return merged


def _of_type(schema: dict[str, Any], text: str, root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    value: Any
    match str(kind).lower():
        case "object":
            properties = schema.get("properties") or {}
            value = {name: _fit(inner, text, root, depth - 1) for name, inner in properties.items()}
        case "array":
            value = [_fit(schema.get("items", {}), text, root, depth - 1)] * int(schema.get("minItems") or 1)
        case "integer":
            value = int(_number(schema))
        case "number":
            value = _number(schema)
        case "boolean":
            value = True
        case "null":
            value = None
        case _:
            value = _FORMATS.get(schema.get("format", ""), text).ljust(int(schema.get("minLength") or 0), ".")
            value = value[: int(schema["maxLength"])] if "maxLength" in schema else value
    return value


def _number(schema: dict[str, Any]) -> float:
    low = schema.get("minimum", schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else -math.inf)
    high = schema.get("maximum", schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else math.inf)
    number: float = max(low, min(1, high))
    return number


def _referred(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if step and isinstance(found, dict) else found
    return found
