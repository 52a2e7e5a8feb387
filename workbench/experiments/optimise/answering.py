"""What a search is answered: scores, what was said of each answer, better words; within calls and budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Job
from workbench.experiments.optimise.optimisation import Optimisation, Step, Stopped
from workbench.experiments.optimise.texts import fault, with_texts
from workbench.experiments.results.frame import JUDGED
from workbench.experiments.results.overall import overall
from workbench.experiments.runs.running import run
from workbench.prompts import Prompt

if TYPE_CHECKING:
    from workbench.experiments.results.experiment import Experiment

_PROBED = 2
"""Examples that are asked to learn what a call costs."""


@dataclass
class Answering:
    """Answers a search, and counts what that costs."""

    prompt: Prompt
    parts: Mapping[str, Dataset]
    scorers: Sequence[Scorer]
    budget_usd: float | None
    max_calls: int
    longest: int
    reflection_model: str | None
    options: dict[str, Any]
    catalogue: Catalogue | None
    bar: Any = None
    steps: list[Step] = field(default_factory=list)
    calls: int = 0
    spent_usd: float = 0.0
    dearest_usd: float = 0.0
    """The most that an example has cost: its answer and its judges."""
    reflection_usd: float = 0.0
    """The most that a reflection has cost."""
    bound_usd: float = 0.0
    """The most that a call of the test can cost; a call is not sent unless that is left."""
    stopped: Stopped = "search"
    turns: int = 0

    def probe(self, texts: Mapping[str, str]) -> None:
        """Learn from a few answers what a call costs; raises InvalidInput where the budget is not worth a beginning."""
        run("optimise", *self._reflection("Nothing."), budget_usd=self.budget_usd, dry_run=True, **self.options)
        self._evaluate(texts, [("train", place) for place in range(min(_PROBED, len(self.parts["train"])))])
        self._afford(len(self.parts["validation"]))

    def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer a message of the search."""
        if asked["ask"] == "reflect":
            return self._reflect(asked["prompt"])
        return self._evaluate(asked["candidate"], [(part, place) for part, place in asked["places"]])

    def ask(
        self, candidates: Sequence[Candidate], dataset: Dataset, scorers: Sequence[Scorer] = (), **options: Any
    ) -> Experiment | None:
        """Ask within what is left of the budget; None, and the end, where that does not cover a call."""
        left = None if self.budget_usd is None else max(0.0, self.budget_usd - self.spent_usd)
        options = {"progress": False, "track": False, **self.options, **options}
        try:
            experiment: Experiment = run(
                f"optimise-{self.prompt.name}", candidates, dataset, scorers, budget_usd=left, **options
            )
        except InvalidInput as error:
            if error.error_code != "budget_too_small" or not self.steps:
                raise
            self.stopped = "budget"
            return None
        return experiment

    def _evaluate(self, texts: Mapping[str, str], places: Sequence[tuple[str, int]]) -> Mapping[str, Any]:
        if (said := fault(self.prompt, texts, longest=self.longest)) is not None:
            return _refused(said, len(places))
        draft = with_texts(self.prompt, texts)
        examples = [self.parts[part][place] for part, place in places]
        once = list({example.id: example for example in examples}.values())
        try:
            self.bound_usd = max(self.bound_usd, self._bound(draft))
            if not self._afford(len(places)):
                return {"stop": True}
            experiment = self.ask([Candidate("candidate", draft)], Dataset(tuple(once), "part"), self.scorers)
        except InvalidInput as error:
            if draft.hash == self.prompt.hash:
                raise
            self.spent_usd += len(once) * self.dearest_usd  # they may have been paid for
            return _refused(error.message, len(places))
        if experiment is None:
            return {"stop": True}
        self.count(experiment)
        ids = [example.id for example in once]
        means = dict(zip(ids, overall(experiment, "candidate", ids, self.scorers).tolist(), strict=True))
        scores = [means[example.id] for example in examples]
        if len(places) == len(self.parts["validation"]) and {part for part, _ in places} == {"validation"}:
            known = [score for score in scores if not math.isnan(score)]
            if 2 * len(known) >= len(scores):
                self.steps.append(Step(float(np.mean(known)), draft, self.calls, self.spent_usd))
            elif not self.steps:
                raise InvalidInput(
                    f"{draft.label} has a score on {len(known)} of the {len(scores)} examples of the validation part.",
                    hint=f"Run it with `experiments.run` and look at `.failures()`. One says: {_why(experiment)}",
                )
            if len(known) == len(scores) and np.mean(known) >= 1:
                self.stopped = "perfect"
                return {"stop": True}
        cells = {row["example_id"]: row for row in experiment.cells.to_dict("records")}
        traces = [self._trace(example, cells[example.id]) for example in examples]
        return {"scores": [0.0 if math.isnan(score) else score for score in scores], "traces": traces}

    def _bound(self, draft: Prompt) -> float:
        """Return the most that a call of the test can cost; 0 where nobody knows."""
        jobs = [Job.of(Candidate("draft", draft), example, 0) for example in self.parts["holdout"]]
        return max(Call.of(job, experiment_id="", catalogue=self.catalogue).worst_usd or 0.0 for job in jobs)

    def _trace(self, example: Example, cell: Mapping[Any, Any]) -> dict[str, Any]:
        """Return what was said about an example, in the words that GEPA's reflection reads."""
        said = []
        for scorer in self.scorers:
            value, note = cell[f"score.{scorer.name}"], cell[f"note.{scorer.name}"]
            figure = "no score" if math.isnan(value) else f"{value:g} of {(scorer.bounds or (0, 1))[1]:g}"
            said.append(f"{scorer.name}: {figure}{f' ({note})' if note else ''}")
        if example.expected is not None:
            said.append(f"expected: {example.expected}")
        if cell["error"]:
            said.append(f"the call failed: {cell['error']}")
        inputs = {name: str(value) for name, value in example.inputs.items() if name in self.prompt.variables}
        output = cell["output"] if isinstance(cell["output"], str) else "(no text)"
        return {"Inputs": inputs, "Generated Outputs": output, "Feedback": "\n".join(said)}

    def _reflect(self, text: str) -> Mapping[str, Any]:
        if not self._afford(1, reflection=True):
            return {"stop": True}
        self.turns += 1
        experiment = self.ask(*self._reflection(text))
        if experiment is None:
            return {"stop": True}
        usd = self._pay(experiment)
        self.reflection_usd = max(self.reflection_usd, usd)
        return {"text": str(experiment.cells["output"][0])}

    def _reflection(self, text: str) -> tuple[list[Candidate], Dataset]:
        # The number makes each turn a question of its own: the same words again are to be answered anew.
        example = Example(f"turn-{self.turns}", {"text": text, "turn": self.turns})
        asked = Prompt("optimiser-reflection", "{{text}}", parameters={"model": self.reflection_model})
        return [Candidate("reflection", asked)], Dataset((example,), "reflection")

    def _afford(self, count: int, *, reflection: bool = False) -> bool:
        """Tell whether the next calls stay within what is allowed, with what the test on the holdout will take."""
        validation = len(self.parts["validation"])
        if not reflection and self.calls + count > self.max_calls:
            if not self.steps:
                raise InvalidInput(
                    f"max_calls={self.max_calls} does not last for the prompt itself: a few examples are asked first,"
                    f" then the {validation} of the validation part.",
                    hint=f"{_PROBED + 2 * validation} or more leave room for other words.",
                    param="max_calls",
                )
            self.stopped = "calls"
            return False
        test = 2 * len(self.parts["holdout"]) * self.dearest_usd + self.bound_usd
        wanted = max(self.dearest_usd, self.reflection_usd) if reflection else count * self.dearest_usd
        if self.budget_usd is None or self.spent_usd + wanted + test <= self.budget_usd:
            return True
        if not self.steps:
            least = self.spent_usd + 2 * validation * self.dearest_usd + test
            raise InvalidInput(
                f"A budget of ${self.budget_usd:g} does not last for one comparison: a call has cost up to "
                f"${self.dearest_usd:.4g} and can cost ${self.bound_usd:.4g}, so ${least:.4g} is the least.",
                hint="Raise budget_usd, set max_tokens, or take a smaller dataset or a cheaper model.",
                param="budget_usd",
            )
        self.stopped = "budget"
        return False

    def count(self, experiment: Experiment) -> None:
        """Count the calls of an experiment and what they cost."""
        cells = experiment.cells
        costs = cells["cost_usd"] + cells.get(JUDGED, 0.0)
        usd = self._pay(experiment)
        self.calls += len(cells)
        self.dearest_usd = float(np.nanmax([*costs, self.dearest_usd, usd / len(cells)]))
        if self.bar is not None:
            self.bar.update(len(cells))
            self.bar.set_postfix_str(f"${self.spent_usd:.4f}")

    def _pay(self, experiment: Experiment) -> float:
        """Book what an experiment cost, answers of the journal at what they cost then; return it."""
        kept = experiment.cells.loc[experiment.cells["reused"], "cost_usd"]
        usd = experiment.spent_usd + float(kept.fillna(self.dearest_usd).sum())
        self.spent_usd += usd
        return usd

    def found(self, before: Prompt, **more: Any) -> Optimisation:
        """Return what came of it."""
        told: dict[str, Any] = {"best": before, "difference": None, "look": 0, "holdout": None, **more}
        return Optimisation(
            before=before,
            steps=tuple(self.steps),
            stopped=self.stopped,
            calls=self.calls,
            spent_usd=self.spent_usd,
            **told,
        )


def _refused(said: str, count: int) -> Mapping[str, Any]:
    """Return the worst scores for words that can't be asked with, and why for who reflects on them."""
    trace = {"Inputs": {}, "Generated Outputs": "(the prompt was not answered)", "Feedback": said}
    return {"scores": [0.0] * count, "traces": [trace] * count}


def _why(experiment: Experiment) -> str:
    return str(experiment.failures()["why"].iloc[0])
