"""Google's batches and tuning jobs: their names, their states, and where their results stand.

Source: Gemini API reference (batchGenerateContent, asyncBatchEmbedContent, batches), Vertex AI REST reference
(batchPredictionJobs, tuningJobs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)*/([\w.-]+)")
"""A resource's name, its last part the id."""
_OPEN = frozenset({"UNSPECIFIED", "QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED", "UPDATING"})
_STATE = re.compile(r"(?:BATCH|JOB)_STATE_")
_TEXTS, _VECTORS = "inlinedResponses", "inlinedEmbedContentResponses"


def place_of(name: str) -> tuple[str, str] | None:
    """Return the collection and the id of a resource's name; None where it is none."""
    found = _NAME.fullmatch(name)
    return None if found is None or ".." in name else (name[: found.start(1) - 1], found.group(1))


def state_of(told: dict[str, Any]) -> str:
    """Return the state without its prefix: of a batch as its operation tells it, of a job as it stands there."""
    metadata = told.get("metadata")
    state = _STATE.sub("", str((metadata if isinstance(metadata, dict) else told).get("state") or ""))
    return "DONE" if not state and told.get("done") is True else state or "UNSPECIFIED"


def has_ended(state: str) -> bool:
    """Tell whether nothing more is charged in a state."""
    return state not in _OPEN


def model_of(told: dict[str, Any]) -> str:
    """Return the model that a batch or a job names."""
    metadata = told.get("metadata")
    place = metadata if isinstance(metadata, dict) else told
    name = str(place.get("model") or place.get("baseModel") or "")
    return name.rpartition("models/")[2][:200]


def ended_at(told: dict[str, Any]) -> float | None:
    """Return when a thing ended, in seconds since the epoch; None where nobody tells."""
    metadata = told.get("metadata")
    text = (metadata if isinstance(metadata, dict) else told).get("endTime")
    try:
        ended = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return ended.timestamp() if ended.tzinfo is not None else None


def answers_of(told: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the answers that stand in a batch itself; None where none do. Those that failed cost nothing."""
    output = _output(told)
    for kind in (_TEXTS, _VECTORS):
        inlined = output.get(kind)
        answers = inlined.get("inlinedResponses") if isinstance(inlined, dict) else inlined
        if isinstance(answers, list):
            return (answer for answer in answers if isinstance(answer, dict))
    return None


def file_of(told: dict[str, Any]) -> str | None:
    """Return the name of the file of a batch's results, `files/...`; None where there is none."""
    name = _output(told).get("responsesFile")
    return name if isinstance(name, str) and place_of(name) is not None else None


def succeeded(told: dict[str, Any]) -> bool:
    """Tell whether some request of a batch, or a job, was answered, as far as it tells."""
    metadata = told.get("metadata")
    place = metadata if isinstance(metadata, dict) else told
    for name, count in (("batchStats", "successfulRequestCount"), ("completionStats", "successfulCount")):
        stats = place.get(name)
        if isinstance(stats, dict) and str(stats.get(count) or "0").isdecimal():
            return int(stats.get(count) or 0) > 0
    return state_of(told) in ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "DONE")


def trained_on(told: dict[str, Any]) -> int | None:
    """Return the tokens that a tuning job is billed for; None where it does not tell."""
    stats = told.get("tuningDataStats")
    of_kind = next((one for one in stats.values() if isinstance(one, dict)), None) if isinstance(stats, dict) else None
    count = str((of_kind or {}).get("totalBillableTokenCount") or "")
    return int(count) if count.isdecimal() else None


def _output(told: dict[str, Any]) -> dict[str, Any]:
    metadata = told.get("metadata")
    for place in (metadata.get("output") if isinstance(metadata, dict) else None, told.get("response")):
        if isinstance(place, dict):
            return place
    return {}
