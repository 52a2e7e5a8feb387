"""A judge: a model that scores one output by a rubric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence.canonical import plain
from workbench.evidence.example import Example
from workbench.evidence.judges.conversation import PARAMETERS, converse
from workbench.evidence.judges.fence import fenced, warning
from workbench.evidence.judges.scale import Scale
from workbench.evidence.judges.trust import JudgeTrust
from workbench.evidence.output import Output
from workbench.evidence.question import Asker, Questions, drive
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of

EDITION = 1
"""Edition of the words around the rubric: with other words it would be another judge."""
NO_GATEWAY = "a judge asks through a gateway: pass `gateway=`, or score within an experiment"


def judge(
    rubric: str,
    *,
    model: str,
    scale: tuple[float, float] = (1, 5),
    choices: Mapping[str, float] | Sequence[str] | None = None,
    inputs: bool | Sequence[str] = True,
    expected: bool = True,
    parameters: Mapping[str, Any] | None = None,
    gateway: Asker | None = None,
    trust: JudgeTrust | str | Path | None = None,
    name: str = "judge",
) -> Scorer:
    """Make a scorer that asks `model` to score each output by a rubric.

    The score lies on `scale`, both ends included: whole numbers where both ends are ints. Or the judge picks one of
    `choices`: words with their figures, or words alone, from worst (0) to best (1). It sees the rubric, the example's
    `inputs` (all, none, or those named), the expected answer unless `expected` is False, and the output; all but the
    rubric is fenced off, since it may hold instructions. It must answer with one JSON object, reason first, at
    temperature 0; prose or a figure off the scale is asked for once more, and then there is no score but a note.
    `parameters` replace those of the call; None takes one out. The calls carry the tag `scorer=NAME` in the ledger.

    A judge is not believed as it comes: `judges.measure` holds it against human labels, and only then may a gate use
    it: pass what was measured, or the file that it was saved to, as `trust`. Raises InvalidInput for a rubric, scale or
    choices that can't be used, or a `trust` that was measured of another rubric, model or parameter.
    """
    if not rubric.strip():
        raise InvalidInput("A judge needs a rubric.", hint="Say what a good answer is, and what each score means.")
    answers = Scale.of(scale, choices)
    given = dict(parameters or {})
    task = (
        f"You judge the output of an application by this rubric and nothing else:\n\n{rubric.strip()}\n\n"
        f'Answer with one JSON object and nothing else: {{"reason": one or two sentences, {answers}}}.'
    )

    def ask(output: Output, example: Example) -> Questions:
        if output.text is None:
            return NO_TEXT
        parts = shown(example, inputs=inputs, expected=expected) | {"output": output.text}
        material, mark = fenced(parts)
        told = yield from converse(
            f"{task}\n\n{warning(mark)}",
            material,
            answers.schema,
            answers.read,
            model=model,
            parameters=given,
            tags={"scorer": name},
        )
        return Score(told.verdict, told.note, told.cost_usd)

    def alone(output: Output, example: Example) -> Score | float | bool | None:
        if gateway is None:
            return Score(None, NO_GATEWAY)
        score: Score = drive(ask(output, example), gateway=gateway)
        return score

    identity = identity_of(
        "judge",
        edition=EDITION,
        rubric=rubric,
        model=model,
        scale=answers.as_list(),
        inputs=inputs if isinstance(inputs, bool) else list(inputs),
        expected=expected,
        parameters=plain({**PARAMETERS, **given}, where="parameters"),
    )
    bounds = (float(answers.low), float(answers.high))
    made = Scorer(name, alone, bounds, ask=ask, identity=identity, model=model, choices=answers.choices or None)
    return made if trust is None else made.trusted(JudgeTrust.of(trust))


def shown(example: Example, *, inputs: bool | Sequence[str], expected: bool) -> dict[str, Any]:
    """Return what a judge sees of an example, by name."""
    taken = example.inputs if inputs is True else {key: example.inputs[key] for key in inputs or ()}
    parts = {f"input {name}": value for name, value in taken.items()}
    return parts | ({"expected answer": example.expected} if expected and example.expected is not None else {})
