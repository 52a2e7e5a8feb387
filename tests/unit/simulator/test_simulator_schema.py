"""What is made for a schema is valid by an independent validator."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from workbench.simulator.schema import fit

SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 3},
    {"type": "integer", "minimum": 7},
    {"type": "integer", "exclusiveMinimum": 7},
    {"type": "number", "maximum": -2},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["null", "integer"]},
    {"enum": ["a", "b"]},
    {"const": {"a": 1}},
    {"type": "array", "items": {"type": "string"}, "minItems": 3},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"oneOf": [{"const": 1}, {"const": 2}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"$ref": "#/$defs/b"},
        ],
        "$defs": {"b": {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}},
    },
    {"type": "object", "properties": {"n": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"type": "integer"}}},
    {"type": "object", "properties": {"deep": {"type": "object", "properties": {"x": {"type": "number"}}}}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_made_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.validate(fit(schema, "some text"), schema)


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert isinstance(fit(schema, "x"), dict)


def test_types_in_capitals_are_taken_as_gemini_spells_them() -> None:
    assert fit({"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}, "x") == {"n": 1}
