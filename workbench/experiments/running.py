"""Run an experiment: plan the cells, take what the journal has, ask for the rest, score, write to MLflow."""

from __future__ import annotations

import inspect
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.asking import ChatClient
from workbench.experiments.candidate import Candidate
from workbench.experiments.cell import Cell, Job
from workbench.experiments.experiment import Experiment
from workbench.experiments.frame import cells_frame
from workbench.experiments.journal import Journal
from workbench.experiments.recording import record
from workbench.experiments.run_info import RunInfo
from workbench.experiments.session import Session
from workbench.prompts.defaults import default_gateway
from workbench.settings import load_settings
from workbench.tracking import connect

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker


def run(
    name: str,
    candidates: Sequence[Candidate],
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    concurrency: int = 2,
    progress: bool = True,
    resume: bool = True,
    track: bool = True,
    tracker: Tracker | None = None,
) -> Experiment:
    """Run every candidate on every example, score the outputs, and write an MLflow run for each candidate.

    `name` is the MLflow experiment; `repeats` asks each cell several times; `concurrency` is the number of calls under
    way at once. Answers are kept in a journal as they arrive: an experiment that was interrupted, or whose gateway
    died, goes on where it stopped when it is run again, and `resume=False` asks for everything anew. `gateway` defaults
    to the one that the environment names. `track=False` writes nothing to MLflow.

    A call that fails is a failed cell; a candidate that never works is given up after 5. Raises GatewayUnreachable,
    AuthenticationFailed, NotFound and the like when no call could work, InvalidInput when nothing did, and
    KeyboardInterrupt, with what is kept, when it is interrupted.
    """
    if inspect.iscoroutinefunction(getattr(gateway, "chat", None)):
        raise InvalidInput("An experiment sends from threads of its own.", hint="Pass a Gateway, not an AsyncGateway.")
    data = _as_dataset(dataset)
    _check(candidates, data, scorers, repeats=repeats, concurrency=concurrency)
    settings = load_settings(credentials=False)
    if track and tracker is None:
        tracker = connect(settings)  # before anything is paid
    experiment_id, started_at = f"exp-{secrets.token_hex(8)}", datetime.now(UTC)
    if gateway is None and (any(c.prompt for c in candidates) or any(s.batch for s in scorers)):
        gateway = default_gateway()
    journal = Journal(settings.home)
    try:
        jobs = [Job.of(c, e, r) for c in candidates for e in data for r in range(repeats)]
        session = Session(name, gateway, journal, experiment_id)
        cells = session.answers(jobs, concurrency=concurrency, progress=progress, resume=resume)
        scored = _score(cells, scorers, gateway)
        if not any(cell.answer for cell in scored):
            raise InvalidInput(f"No call of the experiment {name!r} succeeded. The first said: {scored[0].error}")
        experiment = Experiment(
            experiment_id=experiment_id,
            name=name,
            dataset=data.name,
            dataset_hash=data.hash,
            candidates=tuple(_info(candidate) for candidate in candidates),
            scorers={scorer.name: scorer.bounds for scorer in scorers},
            cells=cells_frame(scored, [scorer.name for scorer in scorers]),
        )
        if track and tracker is not None:
            experiment = record(experiment, scored, tracker=tracker, candidates=candidates, started_at=started_at)
        return experiment
    finally:
        journal.close()


def _score(cells: Sequence[Cell], scorers: Sequence[Scorer], gateway: ChatClient | None) -> list[Cell]:
    """Return the cells with their scores; a cell without an answer has none."""
    answered = [cell for cell in cells if cell.answer is not None]
    pairs = [(cell.answer.output, cell.job.example) for cell in answered if cell.answer is not None]
    columns = {scorer.name: scorer.score_all(pairs, gateway=gateway) for scorer in scorers}
    scored = {
        id(cell): replace(cell, scores={name: column[place] for name, column in columns.items()})
        for place, cell in enumerate(answered)
    }
    return [scored.get(id(cell), cell) for cell in cells]


def _info(candidate: Candidate) -> RunInfo:
    prompt = candidate.prompt
    return RunInfo(
        name=candidate.name,
        model=candidate.model_name,
        prompt=prompt.name if prompt else None,
        prompt_version=prompt.version if prompt else None,
    )


def _as_dataset(dataset: Any) -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    if hasattr(dataset, "to_dict"):
        return Dataset.from_frame(dataset)
    return Dataset.from_rows(dataset)


def _check(
    candidates: Sequence[Candidate], data: Dataset, scorers: Sequence[Scorer], *, repeats: int, concurrency: int
) -> None:
    """Find what can't work before anything is paid."""
    if not candidates or not len(data):
        raise InvalidInput("An experiment needs at least one candidate and one example.")
    if repeats < 1 or concurrency < 1:
        raise InvalidInput(f"Repeats and concurrency are at least 1, not {repeats} and {concurrency}.")
    for scorer in scorers:
        given: object = scorer
        if not isinstance(given, Scorer):
            label = getattr(given, "__name__", repr(given))
            raise InvalidInput(
                f"{label} is not a scorer.", hint=f"Call it: `{label}()`, or wrap it: `scorer({label})`."
            )
    for kind, names in (("candidate", [c.name for c in candidates]), ("scorer", [s.name for s in scorers])):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise InvalidInput(f"Two {kind}s are named {twice[0]!r}.", hint="Give each a name of its own.")
    for candidate in candidates:
        for example in data if candidate.prompt is not None else ():
            candidate.messages(example.inputs)
