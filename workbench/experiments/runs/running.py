"""Run an experiment: plan the cells, take what the journal has, ask for the rest, score, write to MLflow."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, overload

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example, Score, Scorer
from workbench.evidence.scorer import Embedder
from workbench.experiments.calls.backend import BackendName, named
from workbench.experiments.calls.embedding import Embedding
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Cell
from workbench.experiments.cells.checking import as_dataset, check_client, check_parts
from workbench.experiments.cells.journal import Journal
from workbench.experiments.records.environment import environment
from workbench.experiments.records.recording import judges, record
from workbench.experiments.records.traced import Traces, traced
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.frame import cells_frame
from workbench.experiments.results.run_info import RunInfo
from workbench.experiments.runs.judging import Judging
from workbench.experiments.runs.plan import make_plan
from workbench.experiments.runs.preview import Preview, preview_of
from workbench.experiments.runs.session import Session
from workbench.prompts.defaults import default_gateway
from workbench.settings import load_settings
from workbench.tracking import connect

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker


_NOT_JUDGED = Score(None, "not sent: the run was stopped before")


@overload
def run(
    name: str,
    candidates: Sequence[Candidate],
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    concurrency: int = 2,
    budget_usd: float | None = None,
    backend: BackendName = "local",
    progress: bool = True,
    resume: bool = True,
    track: bool = True,
    traces: Traces = "sample",
    tracker: Tracker | None = None,
    dry_run: Literal[False] = False,
) -> Experiment: ...
@overload
def run(
    name: str,
    candidates: Sequence[Candidate],
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    concurrency: int = 2,
    budget_usd: float | None = None,
    backend: BackendName = "local",
    progress: bool = True,
    resume: bool = True,
    track: bool = True,
    traces: Traces = "sample",
    tracker: Tracker | None = None,
    dry_run: Literal[True],
) -> Preview: ...
def run(
    name: str,
    candidates: Sequence[Candidate],
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    concurrency: int = 2,
    budget_usd: float | None = None,
    backend: BackendName = "local",
    progress: bool = True,
    resume: bool = True,
    track: bool = True,
    traces: Traces = "sample",
    tracker: Tracker | None = None,
    dry_run: bool = False,
) -> Experiment | Preview:
    """Run every candidate on every example, score the outputs, and write an MLflow run for each candidate.

    `name` is the MLflow experiment; `repeats` asks each cell several times; `concurrency` is the number of calls under
    way at once. Answers are kept in a journal as they arrive: an experiment that was interrupted, or whose gateway
    died, goes on where it stopped when it is run again, and `resume=False` asks for everything anew. `gateway` defaults
    to the one that the environment names. `track=False` writes nothing to MLflow; `traces` says which cells leave a
    trace there, which is what people can rate and vote on: `sample` (all of a small experiment, else failures and a
    sample of the examples, the same for every candidate), `all`, `failures` or `none`.

    With `budget_usd` no more is spent: what a call can cost at most (its bytes as tokens, its longest answer) is held
    before it is sent, judges' calls included, and once the rest does not cover the next one the run ends and says what
    is left. Answers of the journal cost nothing; what a callable pays by itself is counted, not bounded.
    `backend="ray"` makes the calls in a Ray cluster. `dry_run=True` checks and renders everything, sends nothing, and
    returns a Preview.

    A call that fails is a failed cell; a candidate that never works is given up after 5. Raises GatewayUnreachable,
    AuthenticationFailed, NotFound and the like when no call could work, InvalidInput when nothing did, and
    KeyboardInterrupt, with what is kept, when it is interrupted.
    """
    check_client(gateway)
    data = as_dataset(dataset)
    check_parts(candidates, data, scorers, repeats=repeats, concurrency=concurrency)
    traced((), traces)
    place = named(backend)
    settings = load_settings(credentials=False)
    if track and tracker is None and not dry_run:
        tracker = connect(settings)  # before anything is paid
    experiment_id, started_at = f"exp-{secrets.token_hex(8)}", datetime.now(UTC)
    if gateway is None and (any(c.prompt for c in candidates) or any(s.batch or s.asks for s in scorers)):
        gateway = default_gateway()
    journal = Journal(settings.home)
    try:
        plan = make_plan(
            candidates,
            data,
            repeats=repeats,
            gateway=gateway,
            journal=journal,
            resume=resume,
            needs_catalogue=dry_run or budget_usd is not None,
            judges=scorers,
        )
        if budget_usd is not None:
            plan.check_budget(budget_usd, scorers)
        if dry_run:
            return preview_of(plan, candidates, scorers)
        judging = Judging(
            scorers,
            journal,
            experiment_id=experiment_id,
            catalogue=plan.catalogue,
            resume=resume,
            origin=plan.origin,
        )
        session = Session(
            name,
            gateway,
            journal,
            experiment_id,
            judging=judging,
            catalogue=plan.catalogue,
            budget_usd=budget_usd,
            backend=place,
        )
        cells = session.answers(plan.jobs, concurrency=concurrency, progress=progress, resume=resume, kept=plan.kept)
        capped: Embedding | None = None
        if gateway is not None and budget_usd is not None:
            capped = Embedding(gateway, plan.catalogue, usd=budget_usd - session.spent)
        scored = _score(cells, scorers, capped or gateway)
        if not any(cell.answer for cell in scored):
            raise InvalidInput(f"No call of the experiment {name!r} succeeded. The first said: {scored[0].error}")
        experiment = Experiment(
            experiment_id=experiment_id,
            name=name,
            dataset=data.name,
            dataset_hash=data.hash,
            candidates=tuple(RunInfo.of(candidate) for candidate in candidates),
            scorers={scorer.name: scorer.bounds for scorer in scorers},
            less_is_better=tuple(scorer.name for scorer in scorers if scorer.less_is_better),
            judges=judges(scorers),
            environment=environment(),
            cells=cells_frame(scored, [scorer.name for scorer in scorers]),
            spent_usd=session.spent + (capped.spent if capped is not None else 0.0),
        )
        if track and tracker is not None:
            experiment = record(
                experiment,
                scored,
                tracker=tracker,
                candidates=candidates,
                data=data,
                traces=traces,
                started_at=started_at,
            )
        if session.stopped is not None:
            warnings.warn(session.stopped, stacklevel=2)
        return experiment
    finally:
        journal.close()


def _score(cells: Sequence[Cell], scorers: Sequence[Scorer], gateway: Embedder | None) -> list[Cell]:
    """Return the cells with all their scores; a cell without an answer has none. Those that ask have been asked."""
    answered = [cell for cell in cells if cell.answer is not None]
    pairs = [(cell.answer.output, cell.job.example) for cell in answered if cell.answer is not None]
    columns = {scorer.name: scorer.score_all(pairs, gateway=gateway) for scorer in scorers if not scorer.asks}
    scored = {}
    for place, cell in enumerate(answered):
        own = {name: column[place] for name, column in columns.items()}
        scores = {
            scorer.name: own.get(scorer.name) or cell.scores.get(scorer.name) or _NOT_JUDGED for scorer in scorers
        }
        scored[id(cell)] = replace(cell, scores=scores)
    return [scored.get(id(cell), cell) for cell in cells]
