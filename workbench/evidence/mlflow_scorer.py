"""Scorers of MLflow as scorers of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, Score, Scorer, identity_of
from workbench.tracking import foreign_scorer

YES_OR_NO = {"yes": 1.0, "no": 0.0}
"""What MLflow's own judges say."""


def from_mlflow(
    scorer: Any,
    *,
    values: Mapping[str, float] | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    less_is_better: bool = False,
    assessment: str | None = None,
    name: str | None = None,
) -> Scorer:
    """Make a scorer of one of MLflow's: built-in, decorated with `@mlflow.genai.scorer`, or made by `make_judge`.

    It gets the example's inputs, the output's text, and what is expected as MLflow calls it: a dict as it is, a text as
    `expected_response`. Numbers and bools count as they are, words by `values` (default: yes is 1, no is 0); another
    word, or none, is no score. Where it gives several assessments, `assessment` names the one that counts.

    A judge of MLflow's sends its calls by itself: in a kernel with mounted keys, `model="openai:/NAME"` leads them
    through the gateway (`OPENAI_BASE_URL`), without the runner's limits and budget; `judge` is the way that keeps them.
    Raises InvalidInput for what is no scorer, or one of traces and sessions; MissingComponent without MLflow.
    """
    foreign = foreign_scorer.ForeignScorer(scorer)
    figures = dict(YES_OR_NO if values is None else values)

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        given = foreign.run(inputs=example.inputs, outputs=output.text, expectations=_expectations(example))
        meant = [each for each in given if assessment in (None, each.name)]
        if len(meant) != 1:
            names = ", ".join(repr(each.name) for each in given)
            return Score(None, f"it gave {len(given)} assessments ({names}); `assessment=` names the one that counts")
        return _figure(meant[0], figures)

    content = foreign.content
    options = {"values": figures, "assessment": assessment}
    identity = None if content is None else identity_of("mlflow", scorer=content, **options)
    called = "".join(c if c.isalnum() or c in "_-." else "_" for c in name or foreign.name)
    return Scorer(called, score, bounds, identity=identity, less_is_better=less_is_better)


def _expectations(example: Example) -> Mapping[str, Any]:
    if isinstance(example.expected, Mapping):
        return example.expected
    return {} if example.expected is None else {"expected_response": example.expected}


def _figure(given: foreign_scorer.Given, figures: Mapping[str, float]) -> Score:
    value = getattr(given.value, "value", given.value)  # MLflow's ratings are an enum of words
    if isinstance(value, str):
        if value not in figures:
            return Score(None, f"it said {value[:80]!r}, for which there is no figure; {given.rationale}".rstrip("; "))
        return Score(float(figures[value]), given.rationale)
    if value is None or not isinstance(value, (bool, int, float)):
        return Score(None, given.rationale or f"it gave a {type(value).__name__}")
    return Score(float(value), given.rationale)
