"""Feedback that applications sent to the gateway, brought into MLflow: each word once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.tracking import TraceRecord

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

EXPERIMENT = "feedback from applications"
_PAGE = 500


@dataclass(frozen=True)
class Drained:
    """What one drain did."""

    rows: int
    """Rows of feedback that were read."""
    new_traces: int
    """Calls that MLflow knew nothing of, for which a trace was made."""
    last_seq: int
    """The last row that was read."""


def drain(gateway: Gateway, *, after: int = 0, tracker: Tracker | None = None) -> Drained:
    """Write the gateway's feedback to the traces of the calls that it is about.

    Draining again, from the start or from `last_seq`, changes nothing: each row is one source's word on one trace. A
    call that was made outside an experiment gets a trace of its own that holds its request id.
    """
    tracker = tracker or tracking.connect()
    rows = new = 0
    last = after
    while page := gateway.feedback_since(last, limit=_PAGE):
        for row in page:
            trace_id = tracker.trace_of_request(row["request_id"])
            if trace_id is None:
                trace_id, new = _stub(row, tracker), new + 1
            _write(row, trace_id, tracker)
            rows += 1
            last = int(row["seq"])
    return Drained(rows, new, last)


def _write(row: Mapping[str, Any], trace_id: str, tracker: Tracker) -> None:
    value = row["value"]
    comment = row.get("comment")
    # The gateway knows whose key it was, not who was asked: a person is named only where the application named one.
    person = row.get("user")
    tracker.rate(
        trace_id,
        "feedback",
        value if isinstance(value, (bool, int, float, str)) else str(value),
        source="HUMAN" if person else "CODE",
        source_id=str(person or f"application:{row.get('owner') or row.get('submitted_by') or 'unknown'}"),
        rationale=comment,
        metadata={"workbench.feedback_seq": str(row["seq"])},
    )


def _stub(row: Mapping[str, Any], tracker: Tracker) -> str:
    said = row.get("created_at")
    moment = datetime.fromisoformat(said) if isinstance(said, str) else datetime.now(UTC)
    record = TraceRecord(
        "call",
        inputs={"request_id": row["request_id"]},
        outputs=None,
        started_at=moment,
        ended_at=moment,
        request_id=row["request_id"],
        model=row.get("model"),
        tags={"workbench.origin": "gateway"},
        kind="UNKNOWN",
    )
    return tracker.write_traces([record], experiment=EXPERIMENT)[0]
