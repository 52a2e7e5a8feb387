"""Experiments that MLflow holds: those that were stopped are listed too, as they can be loaded."""

from datetime import UTC, datetime
from types import SimpleNamespace

from workbench.experiments import recent


class Tracker:
    """One experiment in MLflow, of runs with these states."""

    def __init__(self, *states):
        tags = {"workbench.experiment_id": "exp-1"}
        self.runs = [
            SimpleNamespace(
                run_id=f"run-{at}", status=state, started_at=datetime(2026, 1, 1, at, tzinfo=UTC),
                tags={**tags, "workbench.candidate": f"c{at}", "workbench.place": str(at)},
            )
            for at, state in enumerate(states)
        ]  # fmt: skip

    def experiments(self):
        return {"name": ["trial"]}

    def find_runs(self, name):
        return self.runs


def test_an_experiment_that_was_stopped_is_listed_with_all_its_candidates():
    (listed,) = recent(tracker=Tracker("FINISHED", "FAILED"))
    assert (listed.experiment_id, listed.runs) == ("exp-1", {"c0": "run-0", "c1": "run-1"})


def test_what_is_still_being_written_is_not_listed():
    assert recent(tracker=Tracker("RUNNING")) == []
