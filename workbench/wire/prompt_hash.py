"""The hash of a prompt version: what gateway, loader and registry compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def prompt_hash(
    template: str | Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], schema: Mapping[str, Any] | None
) -> str:
    """Return the SHA-256 (hex) of template, parameters and schema in canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(
        {"template": template, "parameters": parameters, "schema": schema},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
