"""Choose the examples of a prompt from a training part: a draft is proposed, and nothing is published.

Examples are never taken from what the prompt is tested on. What was chosen by its score on the validation part looks
better there than it is; whether it helps is measured once, on the test part.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.optimise import shot_choice
from workbench.experiments.optimise.shot_pool import Embed, Pool, as_shot, make_pool, text_of, unit_vectors
from workbench.experiments.results.overall import check_bounded, compared, overall
from workbench.experiments.runs.running import run
from workbench.prompts import FewShot, Prompt, Variable, load, register_draft
from workbench.prompts.defaults import default_gateway
from workbench.statistics import Difference
from workbench.wire.few_shot import PLACE

if TYPE_CHECKING:
    from workbench.experiments.results.experiment import Experiment
    from workbench.tracking.tracker import Tracker

Method = Literal["similar", "diverse", "greedy"]


@dataclass(frozen=True)
class ShotStep:
    """One round of the greedy search."""

    example: str | None
    """Id of the example that was added; None for the prompt without any."""
    score: float
    """Mean score on the validation part with it: the best of those tried, so it flatters."""
    tried: int
    """Examples that were tried for this place."""


@dataclass(frozen=True)
class FewShotSelection:
    """The prompt with the examples that were chosen, and what is known of them."""

    before: Prompt
    """The prompt without them."""
    draft: Prompt
    """The prompt with them; the same as before where none helped."""
    chosen: tuple[str, ...]
    """Ids of the examples, in the order in which they are shown."""
    method: Method
    """How they were chosen."""
    left_out: Mapping[str, int]
    """How many examples could not be chosen, by why."""
    steps: tuple[ShotStep, ...] = ()
    """The rounds of the greedy search."""
    difference: Difference | None = None
    """With a test part and scorers: the draft less the prompt, mean over the scorers, measured once."""
    spent_usd: float = 0.0
    """What answers and judges cost, those of the journal aside; see `Experiment.spent_usd`."""

    @property
    def helps(self) -> bool | None:
        """Whether the test part shows a gain: None where it was not measured."""
        return None if self.difference is None else self.difference.verdict == "better"

    def register(self, *, message: str | None = None, tracker: Tracker | None = None) -> Prompt:
        """Register the draft as a version, made of the prompt by few-shot selection; it is not promoted."""
        told = message or f"{len(self.chosen)} examples, {self.method}"
        parent = self.before if self.before.version is not None else None
        return register_draft(self.draft, message=told, origin="few-shot", parent=parent, tracker=tracker)

    def __str__(self) -> str:
        tokens = self.draft.few_shot.tokens if self.chosen and self.draft.few_shot else 0
        lines = [f"{self.before.label}: {len(self.chosen)} examples ({self.method}), about {tokens} tokens"]
        lines += [
            f"  {f'+ {step.example}' if step.example else 'without'}: {step.score:.3f} on validation"
            + (f", best of {step.tried}" if step.tried else "")
            for step in self.steps
        ]
        lines += [f"  left out: {count} x {why}" for why, count in self.left_out.items()]
        if self.difference is not None:
            lines.append(f"test part: {self.difference}: {self.difference.verdict}")
        elif self.chosen:
            lines.append("Not measured on a test part: whether it helps is not known.")
        return "\n".join(lines)


def select_few_shot(
    prompt: Prompt | str,
    examples: Dataset,
    *,
    k: int = 4,
    method: Method = "similar",
    validation: Dataset | None = None,
    test: Dataset | None = None,
    scorers: Sequence[Scorer] = (),
    model: str | None = None,
    gateway: ChatClient | None = None,
    embedding_model: str | None = None,
    max_tokens: int | None = None,
    pool: int = 8,
    budget_usd: float | None = None,
    seed: int = 0,
    concurrency: int = 2,
    progress: bool = True,
    tracker: Tracker | None = None,
) -> FewShotSelection:
    """Choose up to `k` examples of a training part and return the prompt with them, as a draft.

    `similar` takes those that stand for the questions of `validation` (without it: of the training part itself);
    `diverse` those unlike one another; both without a call, by shared words, or by the sentence vectors of
    `embedding_model` through the gateway. `greedy` adds one by one what leads to the best mean of the scorers on
    `validation`, out of `pool` drawn with `seed` for each place, and keeps the shortest run that scored best, which may
    be none: at most k x pool x validation calls. Examples that the prompt has are replaced. Not chosen are those that
    stand, also nearly, in `validation` or `test`, and what would take the block over `max_tokens`. With `test` and
    scorers the draft is compared with the prompt there, once. `budget_usd` holds all calls, judges' too; where it does
    not cover the next one a warning says so, and what was chosen by then is returned. Raises InvalidInput for parts
    that do not fit, and what `experiments.run` raises.
    """
    before = load(prompt, tracker=tracker) if isinstance(prompt, str) else prompt
    _check(k=k, method=method, pool=pool, validation=validation, scorers=scorers)
    found = make_pool(before, examples, {"validation": validation, "test": test}, max_tokens)
    measuring = _Measuring(
        before,
        found,
        scorers,
        model=model,
        max_tokens=max_tokens,
        budget_usd=budget_usd,
        options={"gateway": gateway, "concurrency": concurrency, "progress": progress},
    )
    steps: tuple[ShotStep, ...] = ()
    if method == "greedy":
        assert validation is not None
        places, steps = _greedy(measuring, validation, k=k, pool=pool, rng=np.random.default_rng(seed))
    else:
        embed = None if embedding_model is None else partial(_embed, gateway, embedding_model)
        places = _by_likeness(measuring, validation, k=k, method=method, embed=embed)
    draft = measuring.draft(places)
    difference = measuring.compare(draft, test) if places and test is not None and scorers else None
    return FewShotSelection(
        before,
        draft,
        chosen=tuple(found.examples[at].id for at in places),
        method=method,
        left_out=found.left_out,
        steps=steps,
        difference=difference,
        spent_usd=measuring.spent_usd,
    )


class _Measuring:
    """Makes drafts and asks with them, within the budget."""

    def __init__(
        self,
        before: Prompt,
        pool: Pool,
        scorers: Sequence[Scorer],
        *,
        model: str | None,
        max_tokens: int | None,
        budget_usd: float | None,
        options: Mapping[str, Any],
    ) -> None:
        self.before, self.pool, self._scorers = before, pool, scorers
        self._model, self._max_tokens, self._budget_usd, self._options = model, max_tokens, budget_usd, options
        self.spent_usd = 0.0
        self._asked = False

    def draft(self, places: Sequence[int]) -> Prompt:
        """Return the prompt with these examples, as a draft; without any, the prompt itself."""
        if not places:
            return self.before
        held = self.before.few_shot or FewShot(self._shots(places))
        block = replace(held, examples=self._shots(places), max_tokens=self._max_tokens or held.max_tokens)
        return replace(self.before, few_shot=block, version=None, alias=None, message=None)

    def fits(self, places: Sequence[int]) -> bool:
        """Tell whether these examples stay within the token budget."""
        held = self.before.few_shot
        most = self._max_tokens or (held.max_tokens if held is not None else None)
        return most is None or FewShot(self._shots(places)).tokens <= most

    def scores(self, drafts: Mapping[str, Prompt], dataset: Dataset) -> Experiment | None:
        """Ask with several drafts about a dataset; None where what is left of the budget does not cover a call."""
        left = None if self._budget_usd is None else max(0.0, self._budget_usd - self.spent_usd)
        try:
            experiment: Experiment = run(
                f"few-shot {self.before.name}",
                [Candidate(name, prompt, self._model) for name, prompt in drafts.items()],
                dataset,
                self._scorers,
                budget_usd=left,
                track=False,
                **self._options,
            )
        except InvalidInput as error:
            if error.error_code != "budget_too_small" or not self._asked:
                raise
            warnings.warn(
                f"The selection ends: {left:.4g} of {self._budget_usd:.4g} USD are left. {error}", stacklevel=5
            )
            return None
        self._asked = True
        self.spent_usd += experiment.spent_usd
        return experiment

    def means(self, drafts: Mapping[str, Prompt], dataset: Dataset) -> dict[str, float]:
        """Return the mean score of each draft on the examples that all of them answered; NaN where there is none."""
        experiment = self.scores(drafts, dataset)
        if experiment is None:
            return dict.fromkeys(drafts, float("nan"))
        ids = [example.id for example in dataset]
        columns = np.column_stack([overall(experiment, name, ids, self._scorers) for name in drafts])
        whole = columns[~np.isnan(columns).any(axis=1)]
        if len(whole) < len(ids) / 2:
            return dict.fromkeys(drafts, float("nan"))
        return dict(zip(drafts, whole.mean(axis=0).tolist(), strict=True))

    def compare(self, draft: Prompt, test: Dataset) -> Difference | None:
        """Return the draft less the prompt on the test part; None where the budget does not cover it."""
        experiment = self.scores({"before": _without(self.before), "draft": draft}, test)
        if experiment is None:
            return None
        return compared(experiment, "draft", "before", [example.id for example in test], self._scorers)

    def _shots(self, places: Sequence[int]) -> list[dict[str, Any]]:
        return [as_shot(self.before, self.pool.examples[at]) for at in places]


def _without(prompt: Prompt) -> Prompt:
    """Return a prompt that can be asked: a marked place without examples stays empty."""
    if prompt.few_shot is not None or PLACE not in prompt.variables:
        return prompt
    return replace(prompt, declared={**prompt.declared, PLACE: Variable(default="")})


def _greedy(
    measuring: _Measuring, validation: Dataset, *, k: int, pool: int, rng: np.random.Generator
) -> tuple[list[int], tuple[ShotStep, ...]]:
    chosen: list[int] = []
    steps = [ShotStep(None, measuring.means({"without": _without(measuring.before)}, validation)["without"], 0)]
    while len(chosen) < k:
        places = shot_choice.tried(rng, len(measuring.pool.examples), chosen, pool, measuring.fits)
        if not places:
            break
        ids = {at: measuring.pool.examples[at].id for at in places}
        means = measuring.means({ids[at]: measuring.draft([*chosen, at]) for at in places}, validation)
        if any(math.isnan(mean) for mean in means.values()):
            break  # the budget is spent, or most calls failed
        chosen.append(max(places, key=lambda at: means[ids[at]]))
        steps.append(ShotStep(ids[chosen[-1]], means[ids[chosen[-1]]], len(places)))
    best = max(range(len(steps)), key=lambda number: (steps[number].score, -number))
    return chosen[:best], tuple(steps)


def _by_likeness(
    measuring: _Measuring, validation: Dataset | None, *, k: int, method: Method, embed: Embed | None
) -> list[int]:
    examples = measuring.pool.examples
    wanted: Sequence[Example] = validation.examples if validation is not None else examples
    texts = [text_of(measuring.before, each) for each in (*examples, *wanted)]
    if method == "diverse":  # unlike also in what is answered
        texts = [f"{text} {each.expected}" for text, each in zip(texts, examples, strict=False)]
    vectors = unit_vectors(texts, embed)
    if method == "diverse":
        return shot_choice.diverse(vectors, k, measuring.fits)
    return shot_choice.similar(vectors[: len(examples)], vectors[len(examples) :], k, measuring.fits)


def _embed(gateway: Any, model: str, texts: Sequence[str]) -> Any:
    return (gateway if gateway is not None else default_gateway()).embed(texts, model=model)


def _check(*, k: int, method: str, pool: int, validation: Dataset | None, scorers: Sequence[Scorer]) -> None:
    if method not in ("similar", "diverse", "greedy"):
        raise InvalidInput(f"No method {method!r}. Known: similar, diverse, greedy.", param="method")
    if k < 1 or pool < 1:
        raise InvalidInput(f"k and pool are at least 1, not {k} and {pool}.", param="k")
    if method == "greedy" and validation is None:
        raise InvalidInput("The method 'greedy' scores on a validation part.", param="validation")
    if method == "greedy" or scorers:
        check_bounded(scorers)
