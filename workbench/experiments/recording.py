"""Write an experiment to MLflow: one run a candidate, with its parameters, figures, table, plot and traces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from workbench.experiments.candidate import Candidate
from workbench.experiments.cell import Cell
from workbench.experiments.experiment import Experiment
from workbench.tracking import RunRecord, TraceRecord

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

TABLE = "cells.json"
PLOT = "scores.png"


def record(
    experiment: Experiment,
    cells: Sequence[Cell],
    *,
    tracker: Tracker,
    candidates: Sequence[Candidate],
    started_at: datetime,
) -> Experiment:
    """Write a run for each candidate, and return the experiment with their ids."""
    ended_at = datetime.now(UTC)
    figures = {PLOT: experiment.plot()} if experiment.scorers and find_spec("matplotlib") else {}
    written = []
    for place, (candidate, info) in enumerate(zip(candidates, experiment.candidates, strict=True)):
        own = [cell for cell in cells if cell.job.candidate is candidate]
        table = experiment.cells[experiment.cells["candidate"] == candidate.name].drop(columns="candidate")
        run = RunRecord(
            experiment=experiment.name,
            name=candidate.name,
            parameters=_parameters(experiment, candidate, own),
            metrics=_metrics(experiment, candidate.name),
            tags=_tags(experiment, candidate, place),
            tables={TABLE: table.reset_index(drop=True)},
            figures=figures,
            traces=[_trace(cell, experiment) for cell in own if cell.sent],
            prompt=_registered(candidate),
            started_at=started_at,
            ended_at=ended_at,
            status="FINISHED" if all(cell.sent for cell in own) else "FAILED",
            key=f"{experiment.experiment_id}/{candidate.name}",
        )
        written.append(replace(info, run_id=tracker.write_run(run)))
    return replace(experiment, candidates=tuple(written))


def _parameters(experiment: Experiment, candidate: Candidate, cells: Sequence[Cell]) -> dict[str, Any]:
    prompt = candidate.prompt
    return {
        "candidate": candidate.name,
        "model": candidate.model_name or "",
        "prompt": prompt.label if prompt else "",
        "dataset": experiment.dataset,
        "examples": len({cell.job.example.id for cell in cells}),
        "repeats": 1 + max(cell.job.repeat for cell in cells),
        "scorers": ", ".join(experiment.scorers),
        **{f"call.{key}": value for key, value in candidate.arguments.items() if key != "model"},
    }


def _metrics(experiment: Experiment, name: str) -> dict[str, float | None]:
    row: dict[Any, Any] = experiment.table.loc[name].to_dict()
    return {str(key): float(value) for key, value in row.items() if key != "model"}


def _tags(experiment: Experiment, candidate: Candidate, place: int) -> dict[str, str]:
    tags = {
        "workbench.experiment_id": experiment.experiment_id,
        "workbench.candidate": candidate.name,
        "workbench.place": str(place),
        "workbench.model": candidate.model_name or "",
        "workbench.dataset": experiment.dataset,
        "workbench.dataset_hash": experiment.dataset_hash,
        "workbench.scorers": json.dumps(dict(experiment.scorers)),
    }
    if candidate.prompt is not None:
        tags |= {"workbench.prompt": candidate.prompt.name, "workbench.prompt_hash": candidate.prompt_hash or ""}
        if candidate.prompt.version is not None:
            tags["workbench.prompt_version"] = str(candidate.prompt.version)
    return tags


def _trace(cell: Cell, experiment: Experiment) -> TraceRecord:
    job, answer = cell.job, cell.answer
    now = datetime.now(UTC)
    return TraceRecord(
        name=experiment.name,
        inputs=dict(job.example.inputs),
        outputs=answer.output.text if answer else None,
        started_at=(answer.started_at if answer else cell.started_at) or now,
        ended_at=(answer.ended_at if answer else cell.ended_at) or now,
        status="OK" if answer else "ERROR",
        error=cell.error,
        usage=answer.usage if answer else None,
        cost_usd=answer.cost_usd if answer else None,
        model=(answer.model if answer else None) or job.candidate.model_name,
        request_id=answer.request_id if answer else None,
        tags={
            "workbench.experiment_id": experiment.experiment_id,
            "workbench.candidate": job.candidate.name,
            "workbench.example_id": job.example.id,
            "workbench.repeat": str(job.repeat),
        },
        prompt=_registered(job.candidate),
        scores={name: score.value for name, score in cell.scores.items()},
        images=answer.output.images if answer else (),
        kind="CHAT_MODEL" if job.candidate.prompt is not None else "CHAIN",
        trace_id=cell.trace_id,
    )


def _registered(candidate: Candidate) -> tuple[str, int] | None:
    prompt = candidate.prompt
    return (prompt.name, prompt.version) if prompt is not None and prompt.version is not None else None
