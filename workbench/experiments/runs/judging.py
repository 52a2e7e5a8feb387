"""Scores by scorers that ask: each of their calls goes the way of all paid calls, and each score is kept."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from workbench.errors import BudgetExhausted
from workbench.evidence import Score, Scorer
from workbench.evidence.canonical import content_hash
from workbench.evidence.question import Question
from workbench.experiments.calls.asking import FATAL, Asking, told
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.cells.cell import Address, Answer, Job, told_origin
from workbench.experiments.cells.journal import Journal

_GIVEN_UP = 5
"""Failures in a row after which a scorer that has never scored is asked no more."""
_HURT = tuple(kind for kind in FATAL if kind.__name__ != "NotFound")
"""Errors that end the run: the model of a judge may be gone without that of a candidate."""


@dataclass(frozen=True)
class _Reply:
    text: str
    cost_usd: float | None


class Judging:
    """The scorers of one run that ask."""

    def __init__(
        self,
        scorers: Sequence[Scorer],
        journal: Journal,
        *,
        experiment_id: str,
        catalogue: Catalogue | None = None,
        resume: bool = True,
        origin: str | None = None,
    ) -> None:
        self.scorers = [scorer for scorer in scorers if scorer.asks]
        self._journal = journal
        self._experiment_id = experiment_id
        self._catalogue = catalogue
        self._resume = resume
        self._origin = origin
        self.stopped: str | None = None
        """What a judge said that was not asked, where the budget did not cover it."""
        self._kept: dict[str, Score] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failures: Counter[str] = Counter()
        self._worked: set[str] = set()

    def look(self, answered: Iterable[tuple[Job, Answer]]) -> list[Job]:
        """Find the scores that the journal has; return the jobs of which one is missing."""
        if not self.scorers:
            return []
        keys = {id(job): (job, [self._key(scorer, answer, job) for scorer in self.scorers]) for job, answer in answered}
        if self._resume:
            found = self._journal.find_scores(key for _, each in keys.values() for key in each if key)
            self._kept |= {key: _paid_before(score) for key, score in found.items()}
        return [job for job, each in keys.values() if not all(key in self._kept for key in each)]

    def known(self, job: Job, answer: Answer) -> dict[str, Score]:
        """Return the scores that the journal had."""
        keys = {scorer.name: self._key(scorer, answer, job) for scorer in self.scorers}
        return {name: self._kept[key] for name, key in keys.items() if key in self._kept}

    async def scores(self, job: Job, answer: Answer, asking: Asking) -> dict[str, Score]:
        """Return the scores of one answer; a score that could not be had has no value and says why.

        Raises what ends the whole run.
        """
        return {scorer.name: await self._score(scorer, job, answer, asking) for scorer in self.scorers}

    async def _score(self, scorer: Scorer, job: Job, answer: Answer, asking: Asking) -> Score:
        key = self._key(scorer, answer, job)
        async with self._locks[key or f"{id(job)} {scorer.name}"]:  # equal outputs are judged once
            if key in self._kept:
                return self._kept[key]
            if self._failures[scorer.name] >= _GIVEN_UP and scorer.name not in self._worked:
                return Score(None, f"not sent: the {_GIVEN_UP} calls before it failed")
            try:
                score = await self._converse(scorer, job, answer, asking)
            except _HURT:
                raise
            except Exception as error:  # noqa: BLE001 - whatever its client raises, the answer is not to blame
                if isinstance(error, BudgetExhausted) and error.error_code == "budget_usd":
                    self.stopped = self.stopped or f"{scorer.name}: {error}"
                    return Score(None, str(error))
                self._failures[scorer.name] += 1
                return Score(None, told(error))
            self._worked.add(scorer.name)
            if key is not None:
                kept = self._journal.keep_score(key, scorer.name, score, experiment_id=self._experiment_id)
                await asking.durable(kept)
                self._kept[key] = _paid_before(score)
            return score

    async def _converse(self, scorer: Scorer, job: Job, answer: Answer, asking: Asking) -> Score:
        questions, number = scorer.questions(answer.output, job.example), 0
        try:
            question = next(questions)
            while True:
                key = self._question_key(scorer, question, number, answer, job)
                address = Address(key, f"scorer:{scorer.name}", job.example.id, job.repeat)
                reply = await self._reply(question, address, asking)
                question, number = questions.send(reply), number + 1
        except StopIteration as end:
            score: Score = end.value
            return score
        finally:
            questions.close()

    async def _reply(self, question: Question, address: Address, asking: Asking) -> _Reply:
        call = Call.to_judge(question, address, experiment_id=self._experiment_id, catalogue=self._catalogue)
        if self._resume and (kept := self._journal.find([address.key]).get(address.key)) is not None:
            return _Reply(kept.output.text or "", 0.0)
        doubt = self._journal.doubtful([address.key]) if self._resume else {}
        made, shared = await asking.answer(call, sent_before=doubt.get(address.key), fatal=_HURT)
        return _Reply(made.output.text or "", 0.0 if shared else made.cost_usd)

    def _key(self, scorer: Scorer, answer: Answer, job: Job) -> str | None:
        """Return where a score is kept; None for a scorer that can't say what its figure depends on."""
        if scorer.identity is None:
            return None
        content = {"format": 1, "scorer": scorer.identity, **_subject(answer, job), **told_origin(self._origin)}
        return content_hash(content)

    def _question_key(self, scorer: Scorer, question: Question, number: int, answer: Answer, job: Job) -> str:
        content = {
            "format": 1,
            "asked by": scorer.identity or scorer.name,
            "number": number,
            "model": question.model,
            "messages": [dict(message) for message in question.messages],
            "parameters": dict(question.parameters),
            **_subject(answer, job),
            **told_origin(self._origin),
        }
        return content_hash(content)


def _paid_before(score: Score) -> Score:
    """Return a score as it counts where its calls were not paid for: in another run, or for an equal output."""
    return replace(score, cost_usd=None)


def _subject(answer: Answer, job: Job) -> dict[str, object]:
    output, example = answer.output, job.example
    images = [sha256(image).hexdigest() for image in output.images]
    return {"text": output.text, "images": images, "inputs": example.inputs_hash, "expected": example.expected}
