"""Scorers of JSON answers, and how JSON is found in what a model wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from workbench.errors import InvalidInput, MissingComponent
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of

_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def find_json(text: str) -> Any | None:
    """Return the JSON value of a text: the whole of it, a fenced block, or the first object in it; None if none is."""
    for piece in (text, *_FENCE.findall(text)):
        try:
            return _load(piece)
        except ValueError:
            continue
    start = text.find("{")
    while start >= 0:
        try:
            return json.JSONDecoder(parse_constant=_refuse).raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
    return None


def json_schema_valid(schema: Mapping[str, Any], *, strict: bool = True, name: str = "json_schema_valid") -> Scorer:
    """Score 1 if the output is JSON that fits a JSON Schema, else 0; the note tells what does not fit.

    `strict=False` also takes JSON in a fenced block or among other words. Raises InvalidInput if the schema itself is
    not one, MissingComponent without the jsonschema package.
    """
    try:
        from jsonschema import SchemaError  # noqa: PLC0415 - loads when it is used
        from jsonschema.validators import validator_for  # noqa: PLC0415 - loads when it is used
    except ImportError as error:
        raise MissingComponent(
            "Checking a JSON Schema needs the package jsonschema.", hint="pip install 'genai-workbench[tracking]'"
        ) from error
    kind = validator_for(dict(schema))
    try:
        kind.check_schema(dict(schema))
    except SchemaError as error:
        raise InvalidInput(f"This is not a JSON Schema: {error.message}.") from error
    validator = kind(dict(schema))

    def score(output: Output, example: Example) -> Score:
        del example
        if output.text is None:
            return NO_TEXT
        if strict:
            try:
                value = _load(output.text)
            except ValueError as error:
                return Score(0.0, f"not JSON: {error}")
        elif (value := find_json(output.text)) is None:
            return Score(0.0, "not JSON")
        wrong = next(iter(sorted(validator.iter_errors(value), key=lambda e: list(map(str, e.absolute_path)))), None)
        return Score(1.0) if wrong is None else Score(0.0, f"{wrong.json_path}: {wrong.message}")

    return Scorer(name, score, identity=identity_of("json_schema_valid", schema=schema, strict=strict))


def json_field(field: str, *, ignore_case: bool = True, name: str | None = None) -> Scorer:
    """Score 1 if one field of the JSON answer equals the expected one, else 0; the scorer is named after the field.

    An answer that is not JSON, or lacks the field, is wrong. JSON may stand in a fenced block or among other words
    (`json_schema_valid` is the measure of form). An example whose expected answer lacks the field has no score.
    """

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        if not isinstance(example.expected, Mapping) or field not in example.expected:
            return Score(None, f"no {field!r} is expected of this example")
        found = find_json(output.text)
        if not isinstance(found, dict):
            return Score(0.0, "not a JSON object")
        if field not in found:
            return Score(0.0, f"no field {field!r}")
        wanted = example.expected[field]
        if same_json(found[field], wanted, ignore_case=ignore_case):
            return Score(1.0)
        return Score(0.0, f"{found[field]!r} instead of {wanted!r}")

    return Scorer(name or field, score, identity=identity_of("json_field", field=field, fold=ignore_case))


def same_json(one: object, other: object, *, ignore_case: bool) -> bool:
    """Tell whether two JSON values are equal, spaces at the ends of texts aside; 1 is 1.0 but not true."""
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.strip(), other.strip()
        return one.casefold() == other.casefold() if ignore_case else one == other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(one[k], other[k], ignore_case=ignore_case) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same_json(a, b, ignore_case=ignore_case) for a, b in pairs)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
