"""The fields of a multipart form, read with a check of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.unified.form import Form
from workbench.gateway.unified.multipart import Part
from workbench.gateway.unified.question import Question

_MOST = 2**31 - 1
_LOGICAL = {"true": True, "false": False, "": False, "1": True, "0": False, "True": True, "False": False}


def required(form: Form, name: str) -> str:
    """Return a text that must be there."""
    text = form.text(name)
    if text is None:
        raise InvalidInput(
            f"The form lacks the field {name!r}.", hint="Compare with OpenAI's API reference.", param=name
        )
    return text


def some_file(form: Form, *names: str) -> Part:
    """Return the first file under one of some names; there must be one, and it must not be empty."""
    for name in names:
        for part in form.named(name):
            if part.filename is None:
                raise InvalidInput(f"{name} is no file.", hint="Send it with a file name.", param=name)
            if not part.size:
                raise InvalidInput(f"{name} is empty.", hint="Send a file.", param=name)
            return part
    raise InvalidInput(f"The form lacks the file {names[0]!r}.", hint="Send it with a file name.", param=names[0])


def count_of(form: Form, name: str) -> int | None:
    """Return a whole number from 1 on."""
    text = form.text(name)
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if not 1 <= number <= _MOST:
        raise InvalidInput(f"{name} is {text[:40]!r}; expected a whole number from 1 on.", param=name)
    return number


def number_of(form: Form, name: str) -> float | None:
    """Return a number."""
    text = form.text(name)
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is {str(text)[:40]!r}; expected a number.", param=name) from error


def boolean(form: Form, name: str) -> bool:
    """Return `true` or `false`; false where it is not there."""
    text = form.text(name) or ""
    if text not in _LOGICAL:
        raise InvalidInput(f"{name} is {text[:40]!r}; expected true or false.", param=name)
    return _LOGICAL[text]


def form_question(form: Form, operation: str, forwarded: Mapping[str, str], **more: Any) -> Question:
    """Return the question of a form; its model may stand in any part."""
    model = required(form, "model")
    fields = {name: msgspec.Raw(msgspec.json.encode(text)) for name, text in form.texts().items()}
    return Question(
        operation=operation, model=model, size=form.size, fields=fields, forwarded=forwarded, form=form, **more
    )
