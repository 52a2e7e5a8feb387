"""People's words as labels: what a judge is measured against before it may gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.evidence import Example
from workbench.evidence.judges import Labelled, LabelledPair
from workbench.feedback.answer import Answer
from workbench.feedback.pair import answered
from workbench.feedback.rating import STARS_NAME, first_ratings
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import words

if TYPE_CHECKING:
    from workbench.tracking import Trace
    from workbench.tracking.tracker import Tracker


def labels(run_ids: Sequence[str], *, name: str = STARS_NAME, tracker: Tracker | None = None) -> list[Labelled]:
    """Return what people rated of these runs' answers, for `evidence.judges.measure`: a row a person and an answer.

    `name` is that of the ratings: `stars` are numbers from 1 to 5, thumbs 1 and 0, words stay words. Answers that are
    no text are left out. Raises InvalidInput where nobody rated anything under the name.
    """
    tracker = tracker or tracking.connect()
    rated = first_ratings(list(dict.fromkeys(run_ids)), name=name, tracker=tracker)
    known = _answers(run_ids, tracker)
    found = [
        Labelled(
            known[row["trace_id"]][0],
            known[row["trace_id"]][1],
            row["value"] if isinstance(row["value"], str) else float(row["value"]),
        )
        for row in rated.to_dict("records")
        if row["trace_id"] in known
    ]
    if not found:
        _refuse(name)
    return found


def pair_labels(
    run_ids: Sequence[str], *, name: str = PREFERENCE, tracker: Tracker | None = None
) -> list[LabelledPair]:
    """Return people's votes on two of these runs' answers, for `evidence.judges.measure` of a pairwise judge.

    A row a person and a pair, the runs in the order in which they are given. Raises InvalidInput without votes.
    """
    tracker = tracker or tracking.connect()
    known = _answers(run_ids, tracker)
    found = [
        LabelledPair(known[word.trace_a][0], known[word.trace_a][1], known[word.trace_b][1], word.outcome)
        for word in words(list(run_ids), name=name, tracker=tracker)
        if word.trace_a in known and word.trace_b in known
    ]
    if not found:
        _refuse(name)
    return found


def _answers(run_ids: Sequence[str], tracker: Tracker) -> Mapping[str, tuple[Example, str]]:
    """Return example and text of each answer that is a text, by its trace."""
    found: dict[str, tuple[Example, str]] = {}
    for run_id in dict.fromkeys(run_ids):
        examples = {trace: cell[0] for cell, (trace, _) in answered(run_id, tracker=tracker).items()}
        for trace in tracker.traces(run_id):
            if trace.trace_id in examples and trace.text is not None:
                found[trace.trace_id] = (_example(examples[trace.trace_id], trace), trace.text)
    return found


def _example(example_id: str, trace: Trace) -> Example:
    return Example(example_id, Answer(trace.trace_id, trace.inputs, None).variables)


def _refuse(name: str) -> NoReturn:
    raise InvalidInput(f"Nobody has said anything named {name!r} of these runs.", hint="`feedback.share` asks people.")
