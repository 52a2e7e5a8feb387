"""Feedback that applications sent to the gateway, brought into MLflow: each word once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from workbench import tracking
from workbench.tracking import RunRecord, TraceRecord

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

EXPERIMENT = "feedback from applications"
_PAGE = 500
_SEQ, _REQUEST = "workbench.drained_seq", "workbench.drained_request"


class Source(Protocol):
    """Whose feedback is drained: a `Gateway`, or a `FeedbackDesk`."""

    @property
    def url(self) -> str:
        """Root URL of the gateway."""

    def feedback_since(self, after: int = 0, *, limit: int = 500) -> list[dict[str, Any]]:
        """Return what was said after a number, oldest first."""


@dataclass(frozen=True)
class Drained:
    """What one drain did."""

    rows: int
    """Rows of feedback that were read."""
    new_traces: int
    """Calls that MLflow knew nothing of, for which a trace was made."""
    last_seq: int
    """The last row that was read."""


def drain(
    gateway: Source,
    *,
    after: int | None = None,
    name: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
    tracker: Tracker | None = None,
) -> Drained:
    """Write the gateway's feedback to the traces of the calls that it is about.

    It goes on where the last drain of this gateway ended, whoever drained it: MLflow keeps the number of the last row
    under the gateway's `name` (default: its URL). `after` says otherwise. Draining again changes nothing: each row is
    one source's word on one trace. A call that was made outside an experiment gets a trace of its own that holds its
    request id. `stopped` is asked between rows: where it says True the drain ends there, to go on another time.
    """
    tracker = tracker or tracking.connect()
    mark = _Mark(name or gateway.url, tracker)
    rows = new = 0
    last = mark.start(gateway) if after is None else after
    while not stopped() and (page := gateway.feedback_since(last, limit=_PAGE)):
        for row in page:
            trace_id = tracker.trace_of_request(row["request_id"])
            if trace_id is None:
                trace_id, new = _stub(row, tracker), new + 1
            _write(row, trace_id, tracker)
            rows += 1
            last = int(row["seq"])
            if stopped():
                break
        if after is None:
            mark.move(row)
    return Drained(rows, new, last)


class _Mark:
    """How far a gateway is drained: tags of a run of its own, which every machine on this MLflow sees."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._tracker = tracker
        self._run_id = tracker.write_run(RunRecord(EXPERIMENT, f"drained: {name}", key=f"drain/{name}"))

    def start(self, gateway: Source) -> int:
        """Return the row to go on after; 0 where the gateway's rows are no longer those that were drained."""
        tags = self._tracker.run(self._run_id).tags
        seq = int(tags.get(_SEQ, 0))
        if seq == 0:
            return 0
        here = gateway.feedback_since(seq - 1, limit=1)
        # Its own row may be gone, since a word that is said again gets a new number; then a later one stands here.
        as_it_was = bool(here) and (int(here[0]["seq"]) > seq or here[0]["request_id"] == tags.get(_REQUEST))
        return seq if as_it_was else 0

    def move(self, row: Mapping[str, Any]) -> None:
        """Note the last row that MLflow has."""
        self._tracker.tag_run(self._run_id, {_SEQ: str(row["seq"]), _REQUEST: str(row["request_id"])})


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
        # Made of the call's own id, so that two who drain at once write one trace.
        trace_id=f"tr-{hashlib.sha256(str(row['request_id']).encode()).hexdigest()[:32]}",
    )
    return tracker.write_traces([record], experiment=EXPERIMENT)[0]
