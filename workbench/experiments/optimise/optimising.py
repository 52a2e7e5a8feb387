"""Optimise a prompt: search on two parts of a dataset, prove on the third, within a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Scorer
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.optimise.answering import Answering
from workbench.experiments.optimise.optimisation import Optimisation
from workbench.experiments.optimise.seal import confidence_of, open_seal
from workbench.experiments.optimise.search_process import search
from workbench.experiments.optimise.texts import REFLECTION, fault, texts_of
from workbench.experiments.results.overall import check_bounded, compared
from workbench.prompts import Prompt
from workbench.prompts.defaults import default_gateway
from workbench.settings import load_settings

if TYPE_CHECKING:
    from workbench.experiments.calls.sending import ChatClient
    from workbench.tracking.tracker import Tracker

_SHARES = {"train": 0.35, "validation": 0.3, "holdout": 0.35}
_FEWEST = 10
"""Examples that a holdout needs: fewer can't show anything."""
_GROWTH = 4
"""How many times as long as before the texts may become."""
_ROOM = 2000
"""Characters that the texts may have in any case."""


def optimise(
    prompt: Prompt,
    dataset: Dataset,
    scorers: Sequence[Scorer],
    *,
    budget_usd: float | None,
    model: str | None = None,
    reflection_model: str | None = None,
    max_calls: int = 400,
    minibatch: int = 4,
    confidence: float = 0.95,
    longest: int | None = None,
    seed: int = 0,
    concurrency: int = 4,
    progress: bool = True,
    gateway: ChatClient | None = None,
    track: bool = True,
    tracker: Tracker | None = None,
) -> Optimisation:
    """Look for better words by GEPA (Agrawal et al. 2025, arXiv 2507.19457) and propose them if they are better.

    The dataset is cut in three, groups and near-duplicates kept together: on the first part candidates are tried and
    reflected on by `reflection_model` (default: the model of the prompt), on the second the best one is chosen, and
    the third stays sealed until there is one candidate to test. It is proposed only if its mean over the scorers is
    higher there than that of `prompt`, beyond chance at `confidence`; further looks at the same holdout need more.
    Nothing is registered or promoted.

    Scorers need bounds; several are averaged, each on its range. The search ends before it passes `max_calls`
    (answers). `budget_usd` (answers, judges and reflection together; None: no cap) is never passed, see
    `experiments.run`; what the test on the third part takes is held back from the search, by the dearest call so far.
    Texts may grow to `longest` characters (default: four times as long as they are). The search runs in a process of
    its own that holds no key; every answer is kept in the journal, so a search that was interrupted goes on when it is
    started again with the same arguments. Raises InvalidInput where the data, the scorers, the budget or the calls
    allowed can't do.
    """
    parts = _parts(prompt, dataset, scorers, seed)
    own = texts_of(prompt)
    longest = longest or max(_ROOM, _GROWTH * sum(map(len, own.values())))
    if (said := fault(prompt, own, longest=longest)) is not None:
        raise InvalidInput(f"{prompt.label} can't be the first candidate: {said}", param="longest")
    if gateway is None:
        gateway = default_gateway()
    work = Answering(
        prompt=prompt if model is None else replace(
            prompt, parameters={**prompt.parameters, "model": model}, version=None, alias=None
        ),
        parts=parts,
        scorers=scorers,
        budget_usd=budget_usd,
        max_calls=max_calls,
        longest=longest,
        reflection_model=reflection_model or model or prompt.parameters.get("model"),
        options={"gateway": gateway, "concurrency": concurrency},
        catalogue=None if budget_usd is None else Catalogue.read(gateway),
    )  # fmt: skip
    job = {
        "candidate": own, "train": len(parts["train"]), "validation": len(parts["validation"]),
        "template": REFLECTION, "minibatch": min(minibatch, len(parts["train"])), "max_calls": max_calls, "seed": seed,
    }  # fmt: skip
    with tqdm(total=max_calls, desc=f"optimise {prompt.name}", unit="call", disable=not progress) as bar:
        work.bar = bar
        work.probe(own)
        search(job, work.answer)
    best = max(work.steps, key=lambda step: step.score)  # the first of equals: the shortest way
    if best.prompt.hash == work.prompt.hash:
        return work.found(prompt)
    holdout = parts["holdout"]
    look = open_seal(load_settings(credentials=False).home, holdout=holdout.hash, candidate=best.prompt.hash)
    candidates = [Candidate("before", work.prompt), Candidate("optimised", best.prompt)]
    experiment = work.ask(candidates, holdout, scorers, progress=progress, track=track, tracker=tracker)
    if experiment is None:
        return work.found(prompt, best=best.prompt)
    work.count(experiment)
    ids, sure = [example.id for example in holdout], confidence_of(look, confidence)
    difference = compared(experiment, "optimised", "before", ids, scorers, confidence=sure)
    return work.found(prompt, best=best.prompt, difference=difference, look=look, holdout=experiment)


def _parts(prompt: Prompt, dataset: Dataset, scorers: Sequence[Scorer], seed: int) -> dict[str, Dataset]:
    check_bounded(scorers)
    lacking = sorted(set(prompt.required) - set(dataset[0].inputs)) if len(dataset) else []
    if lacking:
        raise InvalidInput(f"The dataset has no {lacking[0]!r}, which {prompt.label} takes.", param="dataset")
    parts = dataset.split(seed=seed, **_SHARES)
    if len(parts["holdout"]) < _FEWEST:
        raise InvalidInput(
            f"{len(dataset)} examples leave {len(parts['holdout'])} for the holdout; {_FEWEST} are the least.",
            hint=f"About {math.ceil(_FEWEST / _SHARES['holdout'])} examples are needed.",
            param="dataset",
        )
    return parts
