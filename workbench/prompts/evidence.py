"""The evidence of a promotion: the cells of two runs, after it is sure that they are about what they should be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import words
from workbench.prompts.ballots import Ballot, Ballots
from workbench.prompts.gate import Decision
from workbench.prompts.gates import Gates

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking import Run
    from workbench.tracking.tracker import Tracker

PROMPT, VERSION, DATASET, MODEL = (
    "workbench.prompt",
    "workbench.prompt_version",
    "workbench.dataset_hash",
    "workbench.model",
)
EXPERIMENT, CANDIDATE, PROMPT_HASH = "workbench.experiment_id", "workbench.candidate", "workbench.prompt_hash"
JUDGES, LESS_IS_BETTER = "workbench.judges", "workbench.less_is_better"
CELLS = "cells.json"
_WON = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Evidence:
    """What a gate looks at."""

    run: Run
    """The run of the version that is to be promoted."""
    cells: pd.DataFrame
    """Its cells."""
    baseline: Run | None
    """The run that it is compared with."""
    baseline_cells: pd.DataFrame | None
    """Its cells."""
    votes: Ballots | None = None
    """What people said of the two; None where no rule asks."""

    def decide(self, gates: Gates) -> Decision:
        """Return what a gate says."""
        return gates.decide(
            self.cells, self.baseline_cells, votes=self.votes, judges=self._judges,
            less_is_better=json.loads(self.run.tags.get(LESS_IS_BETTER, "[]")),
        )  # fmt: skip

    @property
    def _judges(self) -> dict[str, Any]:
        """What is known of the judges by scorer: of both runs, the one that may not gate counts."""
        told = [json.loads(run.tags.get(JUDGES, "{}")) for run in (self.run, self.baseline) if run is not None]
        found: dict[str, Any] = {}
        for name, trust in (pair for each in told for pair in each.items()):
            if name not in found or not (trust or {}).get("may_gate"):
                found[name] = trust
        return found

    @property
    def started_at(self) -> str:
        """When the run began, UTC."""
        return self.run.started_at.isoformat()

    @property
    def baseline_label(self) -> str | None:
        """The baseline as a person knows it."""
        return f"{self.baseline.name!r} ({self.baseline.run_id[:8]})" if self.baseline else None

    def as_dict(self) -> dict[str, Any]:
        """Return what the record keeps: ids, data and models."""
        tags = self.run.tags
        base = self.baseline.tags if self.baseline else {}
        return {
            "run_id": self.run.run_id,
            "experiment": self.run.experiment,
            "dataset_hash": tags.get(DATASET),
            "model": tags.get(MODEL),
            "baseline_run_id": self.baseline.run_id if self.baseline else None,
            "baseline_prompt": base.get(PROMPT),
            "baseline_version": base.get(VERSION),
            "baseline_model": base.get(MODEL),
            **({"judges": judges} if (judges := self._judges) else {}),
            **({"feedback": self.votes.as_dict()} if self.votes is not None else {}),
        }


def gather(
    tracker: Tracker,
    name: str,
    version: int,
    *,
    run_id: str,
    against: str | None,
    live: int | None,
    gates: Gates,
    alias: str,
) -> Evidence:
    """Read the runs; raises InvalidInput if one is not about this prompt, this data, or not finished."""
    run = tracker.run(run_id)
    _check_finished(run)
    if (run.tags.get(PROMPT), run.tags.get(VERSION)) != (name, str(version)):
        found = f"{run.tags.get(PROMPT, 'no prompt')} v{run.tags.get(VERSION, '?')}"
        raise InvalidInput(
            f"Run {run_id[:8]} is no evidence for {name} v{version}: it is about {found}.", param="evidence_run"
        )
    _check_content(tracker, run, name, version)
    if not gates.needs_baseline and against is None:
        return Evidence(run, tracker.table(run_id, CELLS), None, None)
    baseline = tracker.run(against) if against else _run_of_live(tracker, run, name, live, alias)
    _check_finished(baseline)
    if baseline.run_id == run.run_id:
        raise InvalidInput("A run can't be its own baseline.", param="against")
    if baseline.tags.get(DATASET) != run.tags.get(DATASET) or DATASET not in run.tags:
        raise InvalidInput(
            f"The runs {run.run_id[:8]} and {baseline.run_id[:8]} are not on the same data.",
            hint="Run both candidates in one experiment.",
            param="against",
        )
    votes = _votes(tracker, run_id, baseline.run_id) if gates.needs_votes else None
    return Evidence(run, tracker.table(run_id, CELLS), baseline, tracker.table(baseline.run_id, CELLS), votes)


def _votes(tracker: Tracker, run_id: str, baseline_id: str) -> Ballots:
    """Return the votes on two runs; the candidate's is the first."""
    found = words([run_id, baseline_id], name=PREFERENCE, tracker=tracker)
    return Ballots(
        Ballot(word.rater, _WON[word.outcome] if word.run_a == run_id else 1 - _WON[word.outcome], word.example_id)
        for word in found
    )


def _check_finished(run: Run) -> None:
    if run.status != "FINISHED":
        raise InvalidInput(f"Run {run.run_id[:8]} is {run.status}, not FINISHED: it is no evidence.")


def _check_content(tracker: Tracker, run: Run, name: str, version: int) -> None:
    """Make sure that the run used what the version says, where the run tells."""
    kept = tracker.get_prompt(name, version)
    ran = run.tags.get(PROMPT_HASH)
    if ran not in (None, kept.hash):
        raise InvalidInput(
            f"Run {run.run_id[:8]} used another text or other parameters than {name} v{version} holds.",
            hint="Register what was used as a version, and run that.",
            param="evidence_run",
        )
    named = kept.parameters.get("model")
    if named and run.tags.get(MODEL) not in (None, named):
        raise InvalidInput(
            f"Run {run.run_id[:8]} asked the model {run.tags[MODEL]!r}, but {name} v{version} names {named!r}.",
            param="evidence_run",
        )


def _run_of_live(tracker: Tracker, run: Run, name: str, live: int | None, alias: str) -> Run:
    if live is None:
        raise InvalidInput(
            f"Nothing is live as {name}@{alias}, so there is nothing to compare with.",
            hint="Name a baseline run with `against=`, or use Gate(metric, rule='at_least', threshold=...).",
            param="against",
        )
    same = {PROMPT: name, VERSION: str(live), DATASET: run.tags.get(DATASET, "")}
    found = [each for each in tracker.find_runs(run.experiment, tags=same) if each.status == "FINISHED"]
    # One of the same grid and the same model says most.
    found.sort(
        key=lambda each: (
            each.tags.get(EXPERIMENT) != run.tags.get(EXPERIMENT),
            each.tags.get(MODEL) != run.tags.get(MODEL),
        )
    )
    if not found:
        raise InvalidInput(
            f"No run in experiment {run.experiment!r} has {name} v{live}, which is live, on the same data.",
            hint="Run it as a candidate beside the new version, or name a run with `against=`.",
            param="against",
        )
    return found[0]
