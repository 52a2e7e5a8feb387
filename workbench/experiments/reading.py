"""Read an experiment back from MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from workbench.errors import NotFound
from workbench.experiments.experiment import Experiment
from workbench.experiments.frame import tidied
from workbench.experiments.recording import TABLE
from workbench.experiments.run_info import RunInfo
from workbench.tracking import connect

if TYPE_CHECKING:
    from workbench.tracking.run import Run
    from workbench.tracking.tracker import Tracker


def load(experiment_id: str, *, tracker: Tracker | None = None) -> Experiment:
    """Return an experiment by its id (`Experiment.experiment_id`, or the tag of any of its runs).

    Raises NotFound if MLflow has no finished run of it.
    """
    tracker = tracker or connect()
    runs = _runs(tracker, experiment_id)
    tables = []
    for run in runs:
        table = tracker.table(run.run_id, TABLE, images=True)
        table.insert(0, "candidate", run.tags["workbench.candidate"])
        tables.append(table)
    scorers = json.loads(runs[0].tags["workbench.scorers"])
    return Experiment(
        experiment_id=experiment_id,
        name=runs[0].experiment,
        dataset=runs[0].tags["workbench.dataset"],
        dataset_hash=runs[0].tags["workbench.dataset_hash"],
        candidates=tuple(_info(run) for run in runs),
        scorers={name: (bounds[0], bounds[1]) if bounds else None for name, bounds in scorers.items()},
        cells=tidied(pd.concat(tables, ignore_index=True)),
    )


def _runs(tracker: Tracker, experiment_id: str) -> list[Run]:
    wanted = {"workbench.experiment_id": experiment_id}
    for name in tracker.experiments()["name"]:
        found = [run for run in tracker.find_runs(name, tags=wanted) if run.status in ("FINISHED", "FAILED")]
        if found:
            return sorted(found, key=lambda run: int(run.tags["workbench.place"]))
    raise NotFound(
        f"MLflow has no experiment with the id {experiment_id!r}.", hint="`experiment.experiment_id` tells it."
    )


def _info(run: Run) -> RunInfo:
    version = run.tags.get("workbench.prompt_version")
    return RunInfo(
        name=run.tags["workbench.candidate"],
        model=run.tags["workbench.model"] or None,
        prompt=run.tags.get("workbench.prompt"),
        prompt_version=int(version) if version else None,
        run_id=run.run_id,
    )
