"""A pairwise judge: which of two answers is better, asked in both orders, because models lean to a place."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from workbench.errors import InvalidInput
from workbench.evidence.canonical import plain
from workbench.evidence.example import Example
from workbench.evidence.judges.conversation import PARAMETERS, Told, converse, object_schema
from workbench.evidence.judges.fence import fenced, warning
from workbench.evidence.judges.rubric import NO_GATEWAY, shown
from workbench.evidence.judges.trust import JudgeTrust
from workbench.evidence.output import Output
from workbench.evidence.question import Asker, CallGate, Question, Questions, Reply, drive
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of

Outcome = Literal["a", "b", "tie"]
Place = Literal["first", "second", "tie"]
EDITION = 1
"""Edition of the words around the rubric: with other words it would be another judge."""
_WORDS: dict[str, Place] = {"1": "first", "2": "second", "tie": "tie"}
_FIGURES: dict[str, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pairwise judge says of two answers."""

    outcome: Outcome | None
    """Which is better; a tie where the two orders disagree, None where one of them gave no verdict."""
    places: tuple[Place | None, Place | None] = (None, None)
    """Which place it preferred when `a` came first, and when `b` did."""
    note: str = ""
    """Its reasons, or why there is no verdict."""
    cost_usd: float | None = None
    """US dollars of all calls; None if unknown."""

    @property
    def consistent(self) -> bool | None:
        """Whether both orders say the same; None where one of them says nothing."""
        return None if None in self.places else _winner(self.places[0], "a") == _winner(self.places[1], "b")


@dataclass(frozen=True)
class PairwiseJudge:
    """A model that compares two answers by a rubric; made by `pairwise_judge`."""

    rubric: str
    """What makes one answer better than another."""
    model: str
    """The model that is asked."""
    name: str = "preference"
    """Its name in tables and in the ledger."""
    inputs: bool | Sequence[str] = True
    """Which inputs of the example it sees: all, none, or those named."""
    expected: bool = True
    """Whether it sees the expected answer, where there is one."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of its calls that differ from the usual ones; None takes one out."""
    trust: JudgeTrust | None = None
    """How far it agrees with people, as measured; None: never measured."""

    @property
    def identity(self) -> str:
        """Hash of all that its verdict depends on beside example and answers."""
        return identity_of(
            "pairwise_judge",
            edition=EDITION,
            rubric=self.rubric,
            model=self.model,
            inputs=self.inputs if isinstance(self.inputs, bool) else list(self.inputs),
            expected=self.expected,
            parameters=plain({**PARAMETERS, **self.parameters}, where="parameters"),
        )

    def questions(self, example: Example, a: str, b: str) -> Generator[Question, Reply, Verdict]:
        """Converse about two answers, first with `a` before `b`, then the other way round; return the Verdict.

        Equal answers tie without a question.
        """
        if a == b:
            return Verdict("tie", ("tie", "tie"), "the answers are the same", 0.0)
        forth = yield from self._asked(example, a, b)
        back = yield from self._asked(example, b, a)
        cost = None if forth.cost_usd is None or back.cost_usd is None else forth.cost_usd + back.cost_usd
        places = (forth.verdict, back.verdict)
        if None in places:
            return Verdict(None, places, forth.note if forth.verdict is None else back.note, cost)
        one, other = _winner(places[0], "a"), _winner(places[1], "b")
        note = forth.note if one == other else f"the orders disagree: {forth.note} / {back.note}"
        return Verdict(one if one == other else "tie", places, note, cost)

    def decide(self, example: Example, a: str, b: str, *, gateway: Asker, call_gate: CallGate | None = None) -> Verdict:
        """Return which of two answers is better, asked through `gateway`; raises what a call raised."""
        verdict: Verdict = drive(self.questions(example, a, b), gateway=gateway, call_gate=call_gate)
        return verdict

    def against(self, baseline: Mapping[str, str] | None = None, *, name: str | None = None) -> Scorer:
        """Return a scorer: 1 where the output beats the baseline's answer, 0 where it loses, 0.5 for a tie.

        `baseline` holds the answer by example id; default: the expected text. It asks like any judge, so a runner keeps
        its scores and nothing is paid twice.
        """
        answers = None if baseline is None else dict(baseline)

        def ask(output: Output, example: Example) -> Questions:
            other = example.expected_text() if answers is None else answers.get(example.id)
            if output.text is None:
                return NO_TEXT
            if other is None:
                return Score(None, "there is no answer to compare with")
            verdict = yield from self.questions(example, output.text, other)
            figure = None if verdict.outcome is None else _FIGURES[verdict.outcome]
            return Score(figure, verdict.note, verdict.cost_usd)

        called = name or self.name
        identity = identity_of("against", judge=self.identity, baseline=answers)
        return Scorer(
            called,
            lambda output, example: Score(None, NO_GATEWAY),
            ask=ask,
            identity=identity,
            trust=self.trust,
            model=self.model,
        )

    def trusted(self, trust: JudgeTrust) -> PairwiseJudge:
        """Return the judge with what was measured of it; raises InvalidInput where that was another judge."""
        trust.check(self.identity, self.name)
        return replace(self, trust=trust)

    def _asked(self, example: Example, one: str, two: str) -> Generator[Question, Reply, Told]:
        parts = shown(example, inputs=self.inputs, expected=self.expected) | {"answer 1": one, "answer 2": two}
        material, mark = fenced(parts)
        system = (
            f"You compare two answers of an application by this rubric and nothing else:\n\n{self.rubric.strip()}\n\n"
            "Their order means nothing, and a longer answer is no better for being longer. Answer with one JSON object"
            ' and nothing else: {"reason": one or two sentences, "better": "1", "2" or "tie"}.'
            f"\n\n{warning(mark)}"
        )
        schema = object_schema("better", {"type": "string", "enum": list(_WORDS)})
        tags = {"scorer": self.name}
        return (
            yield from converse(
                system, material, schema, _read, model=self.model, parameters=self.parameters, tags=tags
            )
        )


def pairwise_judge(
    rubric: str,
    *,
    model: str,
    inputs: bool | Sequence[str] = True,
    expected: bool = True,
    parameters: Mapping[str, Any] | None = None,
    trust: JudgeTrust | str | Path | None = None,
    name: str = "preference",
) -> PairwiseJudge:
    """Make a judge that says which of two answers is better by a rubric.

    Each pair is asked in both orders; where they disagree it is a tie (Zheng et al. 2023, arXiv 2306.05685). `compare`
    reports win rate, consistency and lean over many pairs; `PairwiseJudge.against` makes a scorer of it. Answers are
    fenced off, and read, as with `judge`, and `trust` is what was measured of it. Raises InvalidInput without a rubric,
    or for a `trust` of another judge.
    """
    if not rubric.strip():
        raise InvalidInput("A judge needs a rubric.", hint="Say what makes one answer better than another.")
    made = PairwiseJudge(rubric, model, name, inputs=inputs, expected=expected, parameters=dict(parameters or {}))
    return made if trust is None else made.trusted(JudgeTrust.of(trust))


def _read(found: Mapping[str, Any]) -> Place:
    value = found.get("better")
    if not isinstance(value, str) or value not in _WORDS:
        raise ValueError(f"'better' is {value!r}, not '1', '2' or 'tie'")
    return _WORDS[value]


def _winner(place: Place | None, first: Literal["a", "b"]) -> Outcome | None:
    second: Literal["a", "b"] = "b" if first == "a" else "a"
    return {"first": first, "second": second, "tie": "tie", None: None}[place]
