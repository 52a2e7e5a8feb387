"""What a widget is about: an experiment, however it is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import experiments
from workbench.errors import InvalidInput

if TYPE_CHECKING:
    from workbench.experiments import Experiment
    from workbench.tracking.tracker import Tracker

Subject = experiments.Experiment | str | Sequence[str]
"""An experiment, the id of one, or the MLflow runs of its candidates."""


def read(subject: Subject, tracker: Tracker) -> Experiment:
    """Return the experiment that is meant; raises NotFound, InvalidInput."""
    if isinstance(subject, experiments.Experiment):
        return subject
    if isinstance(subject, str):
        return experiments.load(subject, tracker=tracker)
    return experiments.load_runs(subject, tracker=tracker)


def need_runs(experiment: Experiment, what: str) -> dict[str, str]:
    """Return the MLflow run of each candidate; raises InvalidInput where `what` would have no place to go."""
    if not experiment.run_ids:
        raise InvalidInput(f"The experiment is not in MLflow, and {what} go there.", hint="Run it with `track=True`.")
    return experiment.run_ids
