"""Do raters agree with one another? Krippendorff's alpha over votes or ratings, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.feedback.pair import pair_id
from workbench.feedback.rating import STARS_NAME, first_ratings
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import words
from workbench.statistics import Agreement, krippendorff_alpha, table_of

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker


def agreement(
    run_ids: Sequence[str], *, name: str | None = None, confidence: float = 0.95, tracker: Tracker | None = None
) -> Agreement:
    """Return how far people agree on the outputs of these runs, beyond chance.

    Of two or more runs it is about votes (`name` `preference` by default, nominal: first, other or tie), of one run
    about ratings (`stars` by default, ordinal; thumbs and words nominal). Second looks are left out.
    Raises InvalidInput with fewer than two items that two people judged.
    """
    tracker = tracker or tracking.connect()
    runs = list(dict.fromkeys(run_ids))
    if len(runs) > 1:
        said = words(runs, name=name or PREFERENCE, tracker=tracker)
        votes = [(word.rater, pair_id(word.trace_a, word.trace_b), word.outcome) for word in said]
        return krippendorff_alpha(table_of(votes), confidence=confidence)
    rated = first_ratings(runs, name=name or STARS_NAME, tracker=tracker)
    ratings = [(row["source_id"], row["trace_id"], row["value"]) for row in rated.to_dict("records")]
    ordinal = all(isinstance(value, (int, float)) and not isinstance(value, bool) for _, _, value in ratings)
    return krippendorff_alpha(table_of(ratings), level="ordinal" if ordinal else "nominal", confidence=confidence)
