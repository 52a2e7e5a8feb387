"""Metrics of ragas as scorers of an experiment; ragas is the only vendor here, and loads when it is used."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.errors import InvalidInput, MissingComponent
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.scorer import NO_TEXT, Score, Scorer


def from_ragas(
    metric: Any,
    *,
    question: str = "question",
    context: str = "context",
    key: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    less_is_better: bool = False,
    name: str | None = None,
) -> Scorer:
    """Make a scorer of a metric of ragas that scores one turn (`ExactMatch()`, `Faithfulness(llm=...)`).

    ragas calls it `user_input`, `response`, `reference` and `retrieved_contexts`: here the input named `question` (else
    all inputs as JSON), the output's text, the expected text (`key` picks one of an expected dict), and what the output
    was made from, else the input named `context`. What a metric needs and an example lacks gives no score.

    A metric that asks a model sends its calls by itself, without the runner's limits and budget: make its `llm` of the
    gateway's URL and a key, as a kernel has them mounted in `OPENAI_BASE_URL` and `OPENAI_API_KEY`.
    Raises MissingComponent without ragas, InvalidInput for what is no such metric.
    """
    try:
        from ragas.dataset_schema import SingleTurnSample  # noqa: PLC0415 - loads when it is used
    except ImportError as error:
        raise MissingComponent(
            f"ragas can't be loaded: {error}.", hint="pip install 'genai-workbench[ragas]'"
        ) from error
    by_sample, by_name = getattr(metric, "single_turn_ascore", None), getattr(metric, "ascore", None)
    if isinstance(metric, type) or not (callable(by_sample) or callable(by_name)):
        hint = "Call it: `ExactMatch()`." if isinstance(metric, type) else "Metrics of whole conversations are not."
        raise InvalidInput(f"{metric!r} is no metric of ragas that scores one turn.", hint=hint)

    taken = {} if callable(by_sample) else inspect.signature(metric.ascore).parameters
    needed = _needed(metric) if callable(by_sample) else {n for n, p in taken.items() if p.default is p.empty}

    def score(output: Output, example: Example) -> Score:
        if output.text is None:
            return NO_TEXT
        told = _sample(output, example, question=question, context=context, key=key)
        if missing := sorted(needed - told.keys()):  # ragas would take None for a wrong answer
            return Score(None, f"the metric needs {', '.join(missing)}, which this example lacks")
        if callable(by_sample):
            return _read(_run(by_sample(SingleTurnSample(**told))))
        return _read(_run(metric.ascore(**{name: value for name, value in told.items() if name in taken})))

    called = "".join(c if c.isalnum() or c in "_-." else "_" for c in name or str(metric.name))
    return Scorer(called, score, bounds, less_is_better=less_is_better)


def _needed(metric: Any) -> set[str]:
    """Return what a metric can't do without, by ragas' names."""
    columns = getattr(metric, "required_columns", {})
    single = next((names for kind, names in columns.items() if getattr(kind, "name", kind) == "SINGLE_TURN"), ())
    return {name for name in single if not name.endswith(":optional")}


def _sample(output: Output, example: Example, *, question: str, context: str, key: str | None) -> dict[str, Any]:
    """Return what ragas is told, by its names, without what is not there."""
    asked = example.inputs.get(question)
    given = list(output.contexts) or example.inputs.get(context)
    told = {
        "user_input": json.dumps(dict(example.inputs), ensure_ascii=False) if asked is None else str(asked),
        "response": output.text,
        "reference": example.expected_text(key),
        "retrieved_contexts": [given] if isinstance(given, str) else given,
    }
    return {name: value for name, value in told.items() if value is not None}


def _run(scoring: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in a loop of its own: whoever scores may have one that runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, scoring).result()


def _read(found: Any) -> Score:
    reason = getattr(found, "reason", None)
    return Score(float(getattr(found, "value", found)), str(reason) if reason else "")
