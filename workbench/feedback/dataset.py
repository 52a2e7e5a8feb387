"""Feedback as a dataset: each example with the output that people corrected it to or chose, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.errors import NotFound
from workbench.evidence import Dataset, Example
from workbench.feedback.adjudication import Ruling, Said, gather, rule
from workbench.feedback.answer import Answer

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Adjudicated:
    """What people's words make of the examples of some runs."""

    dataset: Dataset
    """The examples with an output that people stand for."""
    by: Mapping[str, int]
    """Examples by what decided: `correction`, `vote`, `rating`."""
    left_out: Mapping[str, str]
    """Why an example is not among them, by its id: people disagree, or no answer is good."""
    silent: int
    """Examples of which nobody said anything."""

    def table(self) -> pd.DataFrame:
        """Return one row an example that somebody spoke of: `example_id`, `by`, `raters`, `against`, `left_out`."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        rows: list[tuple[Any, ...]] = [
            (each.id, each.source["feedback"], ", ".join(each.source["raters"]), each.source["against"], None)
            for each in self.dataset
            if each.source is not None
        ]
        rows += [(example_id, None, "", None, why) for example_id, why in self.left_out.items()]
        return pd.DataFrame(rows, columns=["example_id", "by", "raters", "against", "left_out"])

    def __str__(self) -> str:
        counts = ", ".join(f"{count} by {how}" for how, count in self.by.items()) or "none"
        return f"{len(self.dataset)} examples ({counts}); {len(self.left_out)} left out, {self.silent} without a word"


def adjudicate(run_ids: Sequence[str], *, name: str = "feedback", tracker: Tracker | None = None) -> Adjudicated:
    """Decide what is expected of each example of these runs by what people said of its answers.

    A correction counts first, then the votes, then stars (a median of 4 or more). The majority of people is followed;
    where there is none the example is left out and told in `left_out`. Each example's `source` tells who said so,
    when, of which traces and runs, and how many said otherwise. Raises NotFound where no run has an answer to speak of.
    """
    tracker = tracker or tracking.connect()
    runs = list(dict.fromkeys(run_ids))
    said = gather(runs, tracker=tracker)
    if not said:
        raise NotFound("None of these runs has an answer with a trace.", hint="Run it with `traces='all'`.")
    groups = _groups(runs, tracker)
    examples: list[Example] = []
    by: dict[str, int] = {}
    left_out: dict[str, str] = {}
    for example_id, words in said.items():
        if words.silent:
            continue
        ruling = rule(words)
        if isinstance(ruling, str):
            left_out[example_id] = ruling
            continue
        by[ruling.by] = by.get(ruling.by, 0) + 1
        examples.append(_example(example_id, words, ruling, runs, groups.get(example_id)))
    silent = sum(words.silent for words in said.values())
    origin = f"feedback on {len(runs)} run{'s' if len(runs) > 1 else ''}, {len(left_out)} examples left out"
    return Adjudicated(Dataset(tuple(examples), name, origin=origin), by, left_out, silent)


def to_dataset(run_ids: Sequence[str], *, name: str = "feedback", tracker: Tracker | None = None) -> Dataset:
    """Return the examples of these runs with what people corrected or chose as what is expected.

    See `adjudicate`, which also tells what was left out and why. Raises NotFound where people agreed on nothing.
    """
    found = adjudicate(run_ids, name=name, tracker=tracker)
    if not found.dataset:
        raise NotFound(f"No example to learn from: {found}.", hint="`feedback.share(run_ids)` asks people.")
    return found.dataset


def _example(example_id: str, said: Said, ruling: Ruling, runs: Sequence[str], group: str | None) -> Example:
    trace = said.traces[ruling.trace_ids[0]]
    source: dict[str, Any] = {
        "kind": "feedback",
        "feedback": ruling.by,
        "raters": list(ruling.raters),
        "against": ruling.against,
        "said_at": ruling.said_at.isoformat(),
        "trace_ids": list(ruling.trace_ids),
        "run_ids": sorted({each for each in (said.traces[t].run_id for t in ruling.trace_ids) if each} or set(runs)),
    }
    inputs = Answer(trace.trace_id, trace.inputs, None).variables
    return Example(example_id, inputs, ruling.expected, group=group, source=source)


def _groups(runs: Sequence[str], tracker: Tracker) -> dict[str, str]:
    """Return the group of each example that has one."""
    found: dict[str, str] = {}
    for run_id in runs:
        table = tracker.table(run_id)
        if "group" in table:
            rows = zip(table["example_id"], table["group"], strict=True)
            found |= {str(example): str(group) for example, group in rows if isinstance(group, str)}
    return found
