"""Real traffic as the rows of an experiment's dataset, with what the data class lets out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.gateway.audit.records import Kept, Records
from workbench.gateway.audit.turns import last_question, said
from workbench.settings.audit import AuditSettings

_AT_ONCE = 200
_COLUMNS = (
    "request_id",
    "time",
    "use_case",
    "model",
    "provider",
    "cost_usd",
    "latency_ms",
    "input_tokens",
    "output_tokens",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which calls are wanted."""

    since: str
    """Not before that time."""
    until: str | None = None
    """Before that time."""
    use_case: str | None = None
    """Of that use case; None: of all."""
    model: str | None = None
    """Of that model; None: of all."""
    sample: int = 200
    """So many at most."""
    seed: int = 0
    """Another seed, another sample; the same one always gives the same of the same calls."""


def dataset(records: Records, settings: AuditSettings, wish: Wish) -> Iterator[dict[str, Any]]:
    """Yield examples, no two of the same inputs: `inputs`, `expected`, and what the call was like.

    Only calls that went well, whose bodies are kept whole, and whose data class lets them out.
    """
    found = [row for row in records.rows(since=wish.since, until=wish.until) if _fits(row, settings, wish)]
    found.sort(key=lambda row: hashlib.sha256(f"{wish.seed}:{row['request_id']}".encode()).digest())
    seen: set[str] = set()
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        bodies = records.bodies(some)
        for row in some:
            kept = bodies.get(row["request_id"])
            example = None if kept is None or kept.cut else _example(row, kept)
            if example is None:
                continue
            inputs = json.dumps(example["inputs"], sort_keys=True)
            if inputs in seen:
                continue
            seen.add(inputs)
            yield example
            if len(seen) == wish.sample:
                return


def _fits(row: dict[str, Any], settings: AuditSettings, wish: Wish) -> bool:
    return (
        row["outcome"] == "ok"
        and str(row["body_ref"] or "").startswith("keep:")
        and settings.may_replay(row["data_class"])
        and wish.use_case in (None, row["use_case"])
        and wish.model in (None, row["model"])
    )


def _example(row: dict[str, Any], kept: Kept) -> dict[str, Any] | None:
    told = said(row["path"], kept.request, kept.response)
    if told is None:
        return None
    messages, text, parameters = told
    return {
        "id": row["request_id"],
        "inputs": {"messages": messages, "question": last_question(messages)},
        "expected": text,
        **{name: row[name] for name in _COLUMNS},
        "parameters": parameters,
    }
