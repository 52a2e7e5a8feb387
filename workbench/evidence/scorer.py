"""Scorers: a name, a function, and the promise that a failure is no score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.output import Output


class Embedder(Protocol):
    """What turns texts into vectors: the gateway's client."""

    def embed(self, texts: Sequence[str], *, model: str) -> Any:
        """Return one row of numbers a text."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says of one output."""

    value: float | None
    """The figure; None where there is none: that is never a wrong answer."""
    note: str = ""
    """Why: what did not fit, or why there is no figure."""


Pairs = Sequence[tuple[Output, Example]]
ScoreFunction = Callable[[Output, Example], "Score | float | bool | None"]


@dataclass(frozen=True)
class Scorer:
    """A named measure of an output. Call it with an output and an example to get a Score."""

    name: str
    """Column of the results: `score.<name>`."""
    function: ScoreFunction
    """What computes it; its exceptions become a Score without a value."""
    bounds: tuple[float, float] | None = (0.0, 1.0)
    """Least and greatest score there can be; None if there is no bound. More is better."""
    batch: Callable[[Pairs, Embedder | None], list[Score]] | None = None
    """What scores many outputs at once, through the experiment's client; default: the function, one by one."""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-." for c in self.name):
            raise InvalidInput(f"A scorer can't be named {self.name!r}.", hint="Use letters, digits, `_`, `-`, `.`.")

    def __call__(self, output: Output | str, example: Example) -> Score:
        """Score one output; an exception or a figure out of bounds gives no score."""
        try:
            return self._checked(self.function(Output.of(output), example))
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises, the output is not to blame
            return Score(None, f"{type(error).__name__}: {error}")

    def score_all(self, pairs: Pairs, *, gateway: Embedder | None = None) -> list[Score]:
        """Score many outputs; a scorer that calls a model does so in batches through `gateway`."""
        if self.batch is None:
            return [self(output, example) for output, example in pairs]
        try:
            return [self._checked(score) for score in self.batch(pairs, gateway)]
        except Exception as error:  # noqa: BLE001 - as in __call__
            return [Score(None, f"{type(error).__name__}: {error}")] * len(pairs)

    def _checked(self, result: Score | float | bool | None) -> Score:
        score = result if isinstance(result, Score) else Score(None if result is None else float(result))
        value = score.value
        if value is None or math.isnan(value):
            return Score(None, score.note or "the scorer gave no figure")
        low, high = self.bounds or (-math.inf, math.inf)
        if not low <= value <= high or math.isinf(value):
            return Score(None, f"{value:g} lies outside the scorer's bounds {low:g} to {high:g}")
        # MLflow keeps ten decimals: what is shown now is what is read back later.
        return Score(round(float(value), 9), score.note)


@overload
def scorer(fn: ScoreFunction, /) -> Scorer: ...
@overload
def scorer(
    fn: ScoreFunction, /, *, name: str | None = None, bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Scorer: ...
@overload
def scorer(
    *, name: str | None = None, bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Callable[[ScoreFunction], Scorer]: ...
def scorer(
    fn: ScoreFunction | None = None,
    /,
    *,
    name: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Scorer | Callable[[ScoreFunction], Scorer]:
    """Make a scorer of a function `(output, example) -> float | bool | Score | None`; also a decorator.

    `bounds` are the least and the greatest score there can be (None: no bound); intervals are computed within them.
    More is better: return `1 - x` for a measure where less is.
    """

    def make(function: ScoreFunction) -> Scorer:
        return Scorer(name or str(getattr(function, "__name__", "scorer")).strip("<>"), function, bounds)

    return make if fn is None else make(fn)
