"""Examples from what was recorded: traces in MLflow, calls in a gateway's ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InvalidInput, NotFound
from workbench.evidence.example import Example
from workbench.evidence.rows import as_expected
from workbench.tracking import connect

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking import Trace
    from workbench.tracking.tracker import Tracker

ExpectedOfTrace = Literal["expectations", "outputs"] | None
Found = tuple[tuple[Example, ...], str, str]
"""Examples, name and origin of a dataset."""


def of_traces(run_id: str, *, name: str, expected: ExpectedOfTrace, tracker: Tracker | None) -> Found:
    """Return what the traces of a run say; see `Dataset.from_traces`."""
    if expected not in ("expectations", "outputs", None):
        raise InvalidInput(f"expected is {expected!r}; it is 'expectations', 'outputs' or None.", param="expected")
    tracker = tracker or connect()
    traces = [trace for trace in tracker.traces(run_id) if trace.status == "OK" and trace.inputs]
    if not traces:
        raise NotFound(f"Run {run_id[:8]} has no trace that ended well.", hint="`tracker.traces(run_id)` lists them.")
    right: Mapping[str, Any] = {}
    if expected == "expectations":
        right = {key: as_expected(said) for key, said in tracker.expectations([t.trace_id for t in traces]).items()}
    examples: dict[str, Example] = {}
    for trace in traces:
        answer = right.get(trace.trace_id) if expected == "expectations" else trace.outputs if expected else None
        example = _of_trace(trace, answer, run_id)
        held = examples.get(example.inputs_hash)
        if held is None or (held.expected is None and example.expected is not None):
            examples[example.inputs_hash] = example
    return tuple(examples.values()), name, f"traces of run {run_id[:8]}"


def _of_trace(trace: Trace, answer: Any, run_id: str) -> Example:
    inputs = trace.inputs if isinstance(trace.inputs, Mapping) else {"input": trace.inputs}
    source = {"kind": "trace", "trace_id": trace.trace_id, "run_id": run_id, "request_id": trace.request_id}
    name = trace.tags.get("workbench.example_id") or trace.trace_id
    return Example(name, inputs, answer, source={key: value for key, value in source.items() if value})


def of_calls(calls: Sequence[Mapping[str, Any]], *, gateway: Gateway, name: str) -> Found:
    """Return what was said in calls; see `Dataset.from_calls`."""
    examples: list[Example] = []
    silent: NotFound | None = None
    for row in sorted((row for row in calls if row["outcome"] == "ok"), key=lambda row: str(row["time"])):
        try:
            said = gateway.call_body(row["request_id"])["said"]
        except NotFound as error:
            silent = error
            continue
        if said is not None:
            inputs = {"messages": said["messages"], "question": _question(said["messages"])}
            source = {"kind": "call", "request_id": row["request_id"], "model": row["model"], "time": row["time"]}
            examples.append(Example(row["request_id"], inputs, said["text"], source=source))
    if not examples and silent is not None:
        raise silent
    return tuple(examples), name, "calls that a gateway recorded"


def _question(messages: Sequence[dict[str, Any]]) -> str:
    """Return the text of the user's last message."""
    contents = [message.get("content") for message in messages if message.get("role") == "user"]
    last = contents[-1] if contents else ""
    parts = last if isinstance(last, list) else []
    return last if isinstance(last, str) else "".join(str(part.get("text") or "") for part in parts)
