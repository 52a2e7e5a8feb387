"""The hash by which the rules of a gate are known, told as JSON: it stands in a request and in the record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from workbench.wire.prompt_hash import canonical_json


def gates_hash(told: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of a gate's rules."""
    return hashlib.sha256(canonical_json(dict(told))).hexdigest()
