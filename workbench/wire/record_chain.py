"""The hash chain of the record of published prompts, as anybody can check it who was given the records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.wire.prompt_hash import canonical_json

GENESIS = "0" * 64
"""What the first record holds as the hash of the one before it."""


def record_hash(record: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of a record without its own hash."""
    kept = {name: value for name, value in record.items() if name != "record_hash"}
    return hashlib.sha256(canonical_json(kept)).hexdigest()


def first_broken(records: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the number of the first record that is not what was written in its place; None where all are."""
    prev_hash = GENESIS
    for seq, record in enumerate(records, 1):
        try:
            found = record_hash(record)
            if (record["seq"], record["prev_hash"], record["record_hash"]) != (seq, prev_hash, found):
                return seq
        except (KeyError, TypeError, ValueError):
            return seq
        prev_hash = found
    return None
