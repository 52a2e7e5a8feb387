"""Ratings: what one person, or one rule, says of one trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback.answer import Answer, show
from workbench.feedback.pair import answered

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker

STARS = range(1, 6)
STARS_NAME = "stars"


def rate(
    trace_id: str,
    value: bool | float | str | None = None,
    *,
    rater: str | None = None,
    rule: str | None = None,
    name: str | None = None,
    comment: str | None = None,
    showing: int = 1,
    tracker: Tracker | None = None,
) -> str:
    """Write what a person (`rater`) or a rule (`rule`) says of a trace, and return the assessment's id.

    A bool is a thumb (named `thumbs`), a whole number from 1 to 5 is `stars`, no value and a comment is a `comment`;
    `name` says otherwise, and a rule's word is named after the rule. Saying it again overrides. A person's word has
    source HUMAN and must name the person; a rule's has source CODE. A word of the second `showing` stands beside the
    first's. Raises InvalidInput, NotFound.
    """
    if (rater is None) == (rule is None):
        raise InvalidInput("A rating comes from a person or from a rule.", hint="Pass `rater=` or `rule=`, not both.")
    if value is None and not comment:
        raise InvalidInput("A rating needs a value or a comment.", param="value")
    said = name or rule or _name_of(value)
    return (tracker or tracking.connect()).rate(
        trace_id,
        said,
        str(comment) if value is None else value,
        source="HUMAN" if rule is None else "CODE",
        source_id=str(rater if rule is None else rule),
        rationale=comment if value is not None else None,
        about="again" if showing > 1 else None,
    )


def ratings(run_id: str, *, tracker: Tracker | None = None) -> pd.DataFrame:
    """Return all that was said of a run's traces, by people, rules and scorers, oldest first.

    Columns: `trace_id`, `name`, `value`, `source` (HUMAN, CODE, LLM_JUDGE), `source_id`, `rationale`, `about`,
    `created_at`, `metadata`, `assessment_id`.
    """
    tracker = tracker or tracking.connect()
    return tracker.ratings([trace.trace_id for trace in tracker.traces(run_id)])


def first_ratings(run_ids: Sequence[str], *, name: str, tracker: Tracker) -> pd.DataFrame:
    """Return what people said under one name of each trace at the first look, with the columns of `ratings`."""
    said = tracker.ratings([trace for run_id in run_ids for trace, _ in answered(run_id, tracker=tracker).values()])
    return said[(said["name"] == name) & (said["source"] == "HUMAN") & said["about"].isna()]


def queue(
    run_id: str, rater: str, *, name: str | None = None, limit: int | None = None, tracker: Tracker | None = None
) -> list[Answer]:
    """Return what this person has not rated yet of a run, oldest first, at most `limit`.

    With `name`, what the person has not rated under that name.
    """
    tracker = tracker or tracking.connect()
    traces = tracker.traces(run_id)
    said = tracker.ratings([trace.trace_id for trace in traces])
    mine = said[(said["source"] == "HUMAN") & (said["source_id"] == rater) & said["about"].isna()]
    done = set(mine["trace_id"] if name is None else mine.loc[mine["name"] == name, "trace_id"])
    left = [trace for trace in traces if trace.trace_id not in done]
    return [show(trace, tracker) for trace in left[:limit]]  # images are read only of what is shown


def _name_of(value: bool | float | str | None) -> str:
    if value is None:
        return "comment"
    if isinstance(value, bool):
        return "thumbs"
    if isinstance(value, int) and value in STARS:
        return STARS_NAME
    raise InvalidInput(
        f"{value!r} is neither a thumb (True, False) nor 1 to 5 stars.", hint="Name what it is: `name=`.", param="value"
    )
