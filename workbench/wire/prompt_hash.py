"""The hash by which a published prompt is known: the same text, parameters and schema give the same hash anywhere.

Canonical JSON: keys sorted, no white space, text as UTF-8 rather than escapes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Return the one spelling of a JSON value that hashes are taken of; raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def prompt_hash(
    template: str | Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any] | None,
    schema: Mapping[str, Any] | None,
    form: Mapping[str, Any] | None = None,
) -> str:
    """Return the SHA-256, in hex, of what a prompt says; no parameters count as `{}`.

    `form` is how the template is meant to be filled in: its syntax, typed variables, examples. It counts only where
    there is one, so the hashes of prompts without are what they were before there were forms.
    """
    whole: dict[str, Any] = {
        "template": template if isinstance(template, str) else [dict(message) for message in template],
        "parameters": dict(parameters or {}),
        "schema": None if schema is None else dict(schema),
    }
    if form:
        whole["form"] = dict(form)
    return hashlib.sha256(canonical_json(whole)).hexdigest()
