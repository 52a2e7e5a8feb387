"""Read an experiment back from MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import InvalidInput, NotFound
from workbench.experiments.records.recording import TABLE
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.frame import tidied
from workbench.experiments.results.run_info import RunInfo
from workbench.tracking import connect

if TYPE_CHECKING:
    from workbench.tracking.run import Run
    from workbench.tracking.tracker import Tracker


ENDED = ("FINISHED", "FAILED")
"""MLflow's words for a run that was written to its end; FAILED: a cell was not sent."""


def load(experiment_id: str, *, tracker: Tracker | None = None) -> Experiment:
    """Return an experiment by its id (`Experiment.experiment_id`, or the tag of any of its runs).

    Raises NotFound if MLflow has no finished run of it.
    """
    tracker = tracker or connect()
    return _read(_runs(tracker, experiment_id), tracker)


def load_runs(run_ids: Sequence[str], *, tracker: Tracker | None = None) -> Experiment:
    """Return candidates of several experiments on the same data as one, by their MLflow runs, in this order.

    It has the id of the first one's experiment and the scorers that all runs have. Raises InvalidInput if a run is no
    candidate's or the runs are not on the same data, NotFound.
    """
    tracker = tracker or connect()
    runs = [tracker.run(run_id) for run_id in dict.fromkeys(run_ids)]
    if not runs:
        raise InvalidInput("No run is named.", param="run_ids")
    for run in runs:
        if "workbench.candidate" not in run.tags:
            raise InvalidInput(f"Run {run.run_id[:8]} is none of an experiment's candidates.", param="run_ids")
        if run.tags["workbench.dataset_hash"] != runs[0].tags["workbench.dataset_hash"]:
            raise InvalidInput(
                f"The runs {runs[0].run_id[:8]} and {run.run_id[:8]} are not on the same data.",
                hint="Run both candidates on one dataset.",
                param="run_ids",
            )
    return _read(runs, tracker)


def _read(runs: Sequence[Run], tracker: Tracker) -> Experiment:
    names = _names(runs)
    tables = []
    for run, name in zip(runs, names, strict=True):
        table = tracker.table(run.run_id, TABLE, images=True)
        table.insert(0, "candidate", name)
        tables.append(table)
    abouts = [_about(run, tracker) for run in runs]
    first, *others = [json.loads(run.tags["workbench.scorers"]) for run in runs]
    return Experiment(
        experiment_id=runs[0].tags["workbench.experiment_id"],
        name=runs[0].experiment,
        dataset=runs[0].tags["workbench.dataset"],
        dataset_hash=runs[0].tags["workbench.dataset_hash"],
        candidates=tuple(_info(run, name, about) for run, name, about in zip(runs, names, abouts, strict=True)),
        scorers={
            name: (bounds[0], bounds[1]) if bounds else None
            for name, bounds in first.items()
            if all(name in scorers for scorers in others)
        },
        less_is_better=tuple(json.loads(runs[0].tags.get("workbench.less_is_better", "[]"))),
        judges=json.loads(runs[0].tags.get("workbench.judges", "{}")),
        environment=abouts[0].get("environment", {}),
        cells=tidied(pd.concat(tables, ignore_index=True)),
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the candidates' names; runs of one name are told apart by their ids."""
    names = [run.tags["workbench.candidate"] for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.run_id[:8]})" for run, name in zip(runs, names, strict=True)
    ]


def _runs(tracker: Tracker, experiment_id: str) -> list[Run]:
    wanted = {"workbench.experiment_id": experiment_id}
    for name in tracker.experiments()["name"]:
        found = [run for run in tracker.find_runs(name, tags=wanted) if run.status in ENDED]
        if found:
            return sorted(found, key=lambda run: int(run.tags["workbench.place"]))
    raise NotFound(
        f"MLflow has no experiment with the id {experiment_id!r}.", hint="`experiment.experiment_id` tells it."
    )


def _about(run: Run, tracker: Tracker) -> dict[str, Any]:
    """Return what the run keeps of its candidate; nothing for one that was written before it was kept."""
    path = run.tags.get("workbench.about")
    found: dict[str, Any] = json.loads(tracker.artifact(run.run_id, path)) if path else {}
    return found


def _info(run: Run, name: str, about: Mapping[str, Any]) -> RunInfo:
    version = run.tags.get("workbench.prompt_version")
    return RunInfo(
        name=name,
        model=run.tags["workbench.model"] or None,
        prompt=run.tags.get("workbench.prompt"),
        prompt_version=int(version) if version else None,
        run_id=run.run_id,
        template=about.get("template"),
        parameters=about.get("parameters", {}),
        prompt_hash=about.get("prompt_hash"),
    )
