"""Corrections: what a person says should have come out, kept as MLflow expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench import tracking
from workbench.errors import InvalidInput

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

CORRECTION = "expected_response"
"""The name that MLflow's own scorers look for."""
COMMENT = "workbench.comment"


def correct(
    trace_id: str,
    value: Any,
    *,
    rater: str,
    name: str = CORRECTION,
    comment: str | None = None,
    tracker: Tracker | None = None,
) -> str:
    """Write what should have come out of a call (text, or any JSON value), and return the expectation's id.

    Saying it again overrides what this person said; the same again changes nothing. Raises InvalidInput, NotFound.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise InvalidInput("A correction says what should have come out.", param="value")
    return (tracker or tracking.connect()).expect(
        trace_id, name, value, source_id=rater, metadata={COMMENT: comment} if comment else None
    )
