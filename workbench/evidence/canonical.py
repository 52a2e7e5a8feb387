"""One spelling of a JSON value, so that equal content has an equal hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from workbench.errors import InvalidInput


def plain(value: Any, *, where: str) -> Any:
    """Return a value as JSON knows it: numpy scalars become numbers, tuples lists, NaN becomes None.

    Raises InvalidInput, naming `where`, for what JSON does not know.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {str(key): plain(inner, where=f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, where=f"{where}[{index}]") for index, inner in enumerate(value)]
    if callable(as_python := getattr(value, "tolist", None)):  # numpy scalars and arrays
        return plain(as_python(), where=where)
    if callable(as_text := getattr(value, "isoformat", None)):  # dates, pandas timestamps
        return as_text()
    raise InvalidInput(
        f"{where} is a {type(value).__name__}, which JSON does not know.", hint="Use text, numbers, lists and dicts."
    )


def content_hash(value: Any) -> str:
    """Return the sha256 of a plain value's canonical JSON, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
