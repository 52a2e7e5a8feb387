"""What has no figure: calls that failed, and answers that a scorer could not score. Neither is a wrong answer."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

CALL = "call"
"""What failed, where there is no answer."""


def failures(cells: pd.DataFrame, scorers: Iterable[str]) -> pd.DataFrame:
    """Return one row a failure; see `Experiment.failures`."""
    kept = [name for name in ("candidate", "example_id", "group", "repeat", "request_id", "trace_id") if name in cells]
    lost = cells["error"].notna()
    parts = [cells.loc[lost, kept].assign(what=CALL, why=cells.loc[lost, "error"])]
    for name in scorers:
        mute = ~lost & cells[f"score.{name}"].isna()
        parts.append(cells.loc[mute, kept].assign(what=name, why=cells.loc[mute, f"note.{name}"]))
    found = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    order = [name for name in kept if name not in ("request_id", "trace_id")]
    return found[[*order, "what", "why", "request_id", "trace_id"]]
