"""Variables with types: what may be put into a prompt, what stands there where nothing is, and what it is for."""

from __future__ import annotations

import base64
import json
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from workbench.errors import InvalidInput

Type = Literal["text", "integer", "number", "boolean", "json", "list", "enum", "image"]
TYPES: tuple[str, ...] = get_args(Type)
_KEYS = ("type", "default", "values", "description")
_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
_SHOWN = 60  # characters


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset()
"""No default: the value must be given."""


@dataclass(frozen=True)
class Variable:
    """One declared variable of a prompt."""

    type: Type = "text"
    """`text`, `integer`, `number` (finite), `boolean`, `json` (any JSON value), `list`, `enum` (one of `values`), or
    `image` (an `https:` or `data:image/` address; bytes of a PNG, JPEG, GIF or WebP become one)."""
    default: Any = UNSET
    """What stands there where nothing is given; unset: it must be given."""
    values: tuple[Any, ...] = ()
    """For `enum`: what it may be, texts or numbers."""
    description: str | None = None
    """What it is for."""

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise InvalidInput(f"No variable has the type {self.type!r}. Known: {', '.join(TYPES)}.", param="variables")
        object.__setattr__(self, "values", tuple(self.values))
        if (self.type == "enum") != bool(self.values):
            raise InvalidInput("The type 'enum', and only it, needs `values` to choose from.", param="variables")
        if not all(isinstance(value, (str, int, float)) for value in self.values):
            raise InvalidInput("The `values` of an enum are texts or numbers.", param="variables")

    @classmethod
    def of(cls, name: str, given: Any) -> Variable:
        """Return what is meant by a Variable, the name of a type, or a dictionary of fields; raises InvalidInput."""
        if isinstance(given, Variable):
            made = given
        elif isinstance(given, str):
            made = _named(name, type=given)
        elif isinstance(given, Mapping):
            if unknown := sorted(set(map(str, given)) - set(_KEYS)):
                raise InvalidInput(
                    f"The variable {name!r} has unknown {', '.join(map(repr, unknown))}. Known: {', '.join(_KEYS)}.",
                    param="variables",
                )
            made = _named(name, **given)
        else:
            raise InvalidInput(
                f"The variable {name!r} is declared by a {type(given).__name__}.",
                hint=f'Write its type ({", ".join(TYPES)}), or {{"type": ..., "default": ..., "description": ...}}.',
                param="variables",
            )
        if made.default is UNSET:
            return made
        return replace(made, default=made.checked(name, made.default, what="default"))

    def __str__(self) -> str:
        kind = f"one of {', '.join(map(str, self.values))}" if self.type == "enum" else self.type
        default = "" if self.required else f", default {self.default!r}"
        return f"{kind}{default}{f': {self.description}' if self.description else ''}"

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is UNSET

    def as_dict(self) -> dict[str, Any]:
        """Return what is declared, as JSON."""
        told = {"type": self.type, "values": list(self.values) or None, "description": self.description}
        default = {} if self.required else {"default": self.default}
        return {**{key: value for key, value in told.items() if value is not None}, **default}

    def checked(self, name: str, value: Any, *, what: str = "variable") -> Any:
        """Return a value as it goes into the template; raises InvalidInput with what was expected and found."""
        try:
            return _READERS[self.type](self, value)
        except (TypeError, ValueError) as error:
            told = f"The {what} {name!r}" if what == "variable" else f"The {what} of the variable {name!r}"
            why = f" ({error})" if str(error) else ""
            raise InvalidInput(
                f"{told} is to be {self._expected()}, and is {_found(value)}{why}.", param=name
            ) from error

    def _expected(self) -> str:
        if self.type == "enum":
            return f"one of {', '.join(map(repr, self.values))}"
        return _EXPECTED[self.type]


_EXPECTED = {
    "text": "a text",
    "integer": "an integer",
    "number": "a finite number",
    "boolean": "true or false",
    "json": "a JSON value",
    "list": "a list of JSON values",
    "image": "an image (an https: or data:image/ address, or the bytes of a PNG, JPEG, GIF or WebP)",
}


def _named(name: str, **fields: Any) -> Variable:
    try:
        return Variable(**fields)
    except InvalidInput as error:
        raise InvalidInput(f"The variable {name!r}: {error.message}", hint=error.hint, param="variables") from error
    except TypeError as error:
        raise InvalidInput(f"The variable {name!r} is not declared rightly: {error}.", param="variables") from error


def _found(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    shown = repr(value)
    return f"{shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + '...'}, a {type(value).__name__}"


def _text(_: Variable, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(_: Variable, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError
    return int(value)


def _number(_: Variable, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise TypeError
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _boolean(_: Variable, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool", "bool_"):  # numpy's own
        return bool(value)
    raise TypeError


def _json(_: Variable, value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def _list(variable: Variable, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return list(_json(variable, value))


def _enum(variable: Variable, value: Any) -> Any:
    for each in variable.values:
        if each == value and isinstance(value, bool) == isinstance(each, bool):
            return each
    raise TypeError


def _image(_: Variable, value: Any) -> str:
    if isinstance(value, str) and value.startswith(("https://", "http://", "data:image/")):
        return value
    if isinstance(value, (bytes, bytearray)):
        for start, kind in _PICTURES.items():
            if value.startswith(start):
                return f"data:image/{kind};base64,{base64.b64encode(value).decode()}"
    raise TypeError


_READERS = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "json": _json,
    "list": _list,
    "enum": _enum,
    "image": _image,
}
