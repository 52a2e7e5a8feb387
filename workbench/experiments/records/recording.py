"""Write an experiment to MLflow: one run a candidate, with its parameters, figures, table, plot and traces."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from numbers import Real
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.evidence import Dataset, Scorer
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Cell
from workbench.experiments.records.traced import Traces, traced
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.run_info import RunInfo
from workbench.tracking import RunDataset, RunRecord, TraceRecord

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

TABLE = "cells.json"
PLOT = "scores.png"
ABOUT = "candidate.json"
"""What the candidate sent and on what it ran: prompt, parameters, versions."""


def record(
    experiment: Experiment,
    cells: Sequence[Cell],
    *,
    tracker: Tracker,
    candidates: Sequence[Candidate],
    data: Dataset,
    traces: Traces = "sample",
    started_at: datetime,
) -> Experiment:
    """Write a run for each candidate, and return the experiment with their ids.

    `traces` says which cells leave a trace; in the tables, and in the cells of what is returned, the others name none.
    """
    ended_at = datetime.now(UTC)
    kept = traced(cells, traces)
    experiment = replace(experiment, cells=_naming(experiment.cells, kept))
    figures = {PLOT: experiment.plot()} if experiment.scorers and find_spec("matplotlib") else {}
    summary = experiment.table()
    by_candidate: dict[str, list[Cell]] = {candidate.name: [] for candidate in candidates}
    for cell in cells:
        by_candidate[cell.job.candidate.name].append(cell)
    written = []
    for place, (candidate, info) in enumerate(zip(candidates, experiment.candidates, strict=True)):
        own = by_candidate[candidate.name]
        table = experiment.cells[experiment.cells["candidate"] == candidate.name].drop(columns="candidate")
        run = RunRecord(
            experiment=experiment.name,
            name=candidate.name,
            parameters=_parameters(experiment, candidate, own),
            metrics=_metrics(summary.loc[candidate.name].to_dict()),
            tags=_tags(experiment, candidate, place),
            tables={TABLE: table.reset_index(drop=True)},
            figures=figures,
            files={ABOUT: _about(experiment, info)},
            traces=[_trace(cell, experiment) for cell in own if cell.trace_id in kept],
            dataset=RunDataset(data.name, data.hash, len(data)),
            prompt=_registered(candidate),
            started_at=started_at,
            ended_at=ended_at,
            status="FINISHED" if all(cell.sent for cell in own) else "FAILED",
            key=f"{experiment.experiment_id}/{candidate.name}",
        )
        written.append(replace(info, run_id=tracker.write_run(run)))
    return replace(experiment, candidates=tuple(written))


def judges(scorers: Sequence[Scorer]) -> dict[str, dict[str, Any] | None]:
    """Return what is known of the scorers that are judges, by name, as JSON; None: it was never measured."""
    return {
        scorer.name: None if scorer.trust is None else scorer.trust.as_dict()
        for scorer in scorers
        if scorer.asks or scorer.trust is not None
    }


def _naming(frame: pd.DataFrame, kept: Collection[str]) -> pd.DataFrame:
    """Return the cells with the ids of those traces alone that are kept."""
    ids = [each if each in kept else None for each in frame["trace_id"]]
    return frame.assign(trace_id=pd.Series(ids, index=frame.index, dtype="object"))


def _about(experiment: Experiment, info: RunInfo) -> bytes:
    told = {
        "template": info.template,
        "parameters": dict(info.parameters),
        "prompt_hash": info.prompt_hash,
        "environment": dict(experiment.environment),
    }
    return json.dumps(told, ensure_ascii=False, indent=1, default=str).encode()


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


def _metrics(row: Mapping[Any, Any]) -> dict[str, float | None]:
    return {str(key): float(value) for key, value in row.items() if isinstance(value, Real)}


def _tags(experiment: Experiment, candidate: Candidate, place: int) -> dict[str, str]:
    tags = {
        "workbench.experiment_id": experiment.experiment_id,
        "workbench.candidate": candidate.name,
        "workbench.place": str(place),
        "workbench.model": candidate.model_name or "",
        "workbench.dataset": experiment.dataset,
        "workbench.dataset_hash": experiment.dataset_hash,
        "workbench.scorers": json.dumps(dict(experiment.scorers)),
        "workbench.about": ABOUT,
    }
    if experiment.less_is_better:
        tags["workbench.less_is_better"] = json.dumps(experiment.less_is_better)
    if experiment.judges:
        tags["workbench.judges"] = json.dumps(experiment.judges)
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
