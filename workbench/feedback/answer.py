"""What a rater sees of a trace: what went in and what came out, nothing of who produced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench import tracking

if TYPE_CHECKING:
    from workbench.tracking import Trace
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Answer:
    """One output, shown blind."""

    trace_id: str
    """The trace to rate."""
    inputs: Any
    """What was asked."""
    text: str | None
    """The output as text; JSON is passed on as `outputs`."""
    outputs: Any = field(default=None, repr=False)
    """The output as it is."""
    images: tuple[bytes, ...] = field(default=(), repr=False)
    """Images of the output, as files."""
    error: str | None = None
    """What went wrong, if it failed."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """What was asked, by name: the example's own variables where the trace names them, else all that went in.

        The messages that they were put in would tell which prompt it was.
        """
        if not isinstance(self.inputs, Mapping):
            return {"input": self.inputs}
        inner = self.inputs.get("inputs")
        return inner if isinstance(inner, Mapping) else self.inputs


def answer(trace_id: str, *, tracker: Tracker | None = None) -> Answer:
    """Return what a rater may see of a trace; raises NotFound."""
    tracker = tracker or tracking.connect()
    return show(tracker.trace(trace_id), tracker)


def show(trace: Trace, tracker: Tracker) -> Answer:
    """Return what a rater may see of a trace that was read already."""
    return Answer(
        trace.trace_id,
        inputs=trace.inputs,
        text=trace.text,
        outputs=trace.outputs,
        images=tuple(tracker.image(reference) for reference in trace.images),
        error=trace.error,
    )
