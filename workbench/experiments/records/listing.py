"""The experiments that MLflow holds, newest first, without their cells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.experiments.records.reading import ENDED
from workbench.tracking import connect

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Listed:
    """One experiment."""

    experiment_id: str
    """Give it to `experiments.load`."""
    name: str
    """Name of the MLflow experiment."""
    started_at: datetime
    """UTC."""
    runs: dict[str, str]
    """MLflow run id of each candidate, in the order of the experiment."""


def recent(limit: int = 20, *, tracker: Tracker | None = None) -> list[Listed]:
    """Return the newest experiments that were run through the workbench, those that were stopped too."""
    tracker = tracker or connect()
    found: dict[str, list[tuple[int, str, str]]] = {}
    head: dict[str, tuple[str, datetime]] = {}
    for name in tracker.experiments()["name"]:
        for run in tracker.find_runs(name):
            experiment_id = run.tags.get("workbench.experiment_id")
            if experiment_id is None or run.status not in ENDED:
                continue
            place = int(run.tags.get("workbench.place", "0"))
            found.setdefault(experiment_id, []).append((place, run.tags["workbench.candidate"], run.run_id))
            began = min(run.started_at, head.get(experiment_id, (name, run.started_at))[1])
            head[experiment_id] = (name, began)
    newest = sorted(head, key=lambda each: head[each][1], reverse=True)[:limit]
    return [
        Listed(each, *head[each], runs={candidate: run_id for _, candidate, run_id in sorted(found[each])})
        for each in newest
    ]
