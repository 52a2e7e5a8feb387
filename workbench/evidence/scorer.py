"""Scorers: a name, a function, and the promise that a failure is no score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, overload

from workbench.errors import InvalidInput, WorkbenchError
from workbench.evidence.canonical import content_hash, plain
from workbench.evidence.example import Example
from workbench.evidence.output import Output
from workbench.evidence.question import Asker, CallGate, Questions, drive

if TYPE_CHECKING:
    from workbench.evidence.judges.trust import JudgeTrust


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
    cost_usd: float | None = None
    """US dollars that the scorer's own calls cost; None if it made none, or the price of one is unknown."""


NO_TEXT = Score(None, "the output has no text")
NOTHING_EXPECTED = Score(None, "nothing is expected of this example")

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
    """Least and greatest score there can be; None if there is no bound. More is better, but see `less_is_better`."""
    batch: Callable[[Pairs, Embedder | None], list[Score]] | None = None
    """What scores many outputs at once, through the experiment's client; default: the function, one by one."""
    ask: Callable[[Output, Example], Questions] | None = None
    """What asks a model about one output: a conversation without I/O (see `workbench.evidence.question`)."""
    identity: str | None = None
    """Hash of all that its figure depends on beside output and example: kind, options, rubric, model, parameters. None
    where that can't be known (a function of which nobody says when it changes): its scores are then not kept."""
    trust: JudgeTrust | None = None
    """For a judge: how far it agrees with people, as measured by `judges.measure`; None: never measured."""
    less_is_better: bool = False
    """Whether a smaller score is better, as with `latency_ms` and `cost_usd`."""
    model: str | None = None
    """For a judge: the model that it asks; a runner looks it up before anything is paid."""
    choices: Mapping[str, float] | None = None
    """For a judge that picks a word: the words and their figures."""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-." for c in self.name):
            raise InvalidInput(f"A scorer can't be named {self.name!r}.", hint="Use letters, digits, `_`, `-`, `.`.")

    @property
    def asks(self) -> bool:
        """Whether each score takes calls that are paid for.

        A runner then scores cell by cell: it drives `questions(output, example)` itself, or calls `ask_one` with a gate
        of its own in a thread, and keeps the Score under (identity, output, example), so that no call is paid twice.
        """
        return self.ask is not None

    def trusted(self, trust: JudgeTrust) -> Scorer:
        """Return the judge with what was measured of it; raises InvalidInput where that was another judge."""
        trust.check(self.identity, self.name)
        return replace(self, trust=trust)

    def questions(self, output: Output | str, example: Example) -> Questions:
        """Converse about one output: yield each Question, take its Reply by `send`, and return the Score.

        It does no I/O and raises nothing: its own failure is a Score without a figure. A call that fails is the
        driver's: close the generator, and keep nothing.
        """
        assert self.ask is not None
        try:
            found = yield from self.ask(Output.of(output), example)
            return self.checked(found)
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises, the output is not to blame
            return Score(None, f"{type(error).__name__}: {error}")

    def ask_one(
        self, output: Output | str, example: Example, *, gateway: Asker, call_gate: CallGate | None = None
    ) -> Score:
        """Score one output by asking through `gateway`; `call_gate` stands before each call (limits, budget, stop).

        A Score that is returned is worth keeping, also one without a figure (a judge that wrote prose was paid): its
        `cost_usd` is that of all its calls. What a call or the gate raises is raised here (GatewayUnreachable,
        LimitExceeded, NotFound where the model is gone, ...), and nothing is to be kept: ask again later.
        """
        if self.ask is None:
            return self(output, example)
        score: Score = drive(self.questions(output, example), gateway=gateway, call_gate=call_gate)
        return score

    def __call__(self, output: Output | str, example: Example) -> Score:
        """Score one output; an exception or a figure out of bounds gives no score."""
        try:
            return self.checked(self.function(Output.of(output), example))
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises, the output is not to blame
            return Score(None, f"{type(error).__name__}: {error}")

    def score_all(self, pairs: Pairs, *, gateway: Any = None) -> list[Score]:
        """Score many outputs; a scorer that calls a model does so through `gateway`, in batches where it can.

        One that asks does so call by call, without limits: a call that fails gives no score.
        """
        if self.ask is not None and gateway is not None:
            return [self._asked(output, example, gateway) for output, example in pairs]
        if self.batch is None:
            return [self(output, example) for output, example in pairs]
        try:
            scores = self.batch(pairs, gateway)
            if len(scores) != len(pairs):
                raise InvalidInput(f"The scorer gave {len(scores)} scores for {len(pairs)} outputs.")
            return [self.checked(score) for score in scores]
        except Exception as error:  # noqa: BLE001 - as in __call__
            return [Score(None, f"{type(error).__name__}: {error}")] * len(pairs)

    def _asked(self, output: Output, example: Example, gateway: Asker) -> Score:
        try:
            return self.ask_one(output, example, gateway=gateway)
        except WorkbenchError as error:
            return Score(None, f"{type(error).__name__}: {error}")

    def checked(self, result: Score | float | bool | None) -> Score:
        """Return what a scorer found as a Score that holds: no figure where it is none, or lies outside the bounds."""
        score = result if isinstance(result, Score) else Score(None if result is None else float(result))
        value = score.value
        if value is None or math.isnan(value):
            return Score(None, score.note or "the scorer gave no figure", score.cost_usd)
        low, high = self.bounds or (-math.inf, math.inf)
        if not low <= value <= high or math.isinf(value):
            return Score(None, f"{value:g} lies outside the scorer's bounds {low:g} to {high:g}", score.cost_usd)
        # MLflow keeps ten decimals: what is shown now is what is read back later.
        return Score(round(float(value), 9), score.note, score.cost_usd)


def identity_of(kind: str, /, **options: Any) -> str:
    """Return the identity of a scorer of this kind with these options (JSON values)."""
    return content_hash({"scorer": kind, "options": plain(options, where=kind)})


@overload
def scorer(fn: ScoreFunction, /) -> Scorer: ...
@overload
def scorer(
    fn: ScoreFunction,
    /,
    *,
    name: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    less_is_better: bool = False,
    version: str | None = None,
) -> Scorer: ...
@overload
def scorer(
    *,
    name: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    less_is_better: bool = False,
    version: str | None = None,
) -> Callable[[ScoreFunction], Scorer]: ...
def scorer(
    fn: ScoreFunction | None = None,
    /,
    *,
    name: str | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    less_is_better: bool = False,
    version: str | None = None,
) -> Scorer | Callable[[ScoreFunction], Scorer]:
    """Make a scorer of a function `(output, example) -> float | bool | Score | None`; also a decorator.

    `bounds` are the least and the greatest score there can be (None: no bound); intervals are computed within them.
    More is better unless `less_is_better`. `version` is a word that changes whenever the function does: with one the
    scorer has an identity.
    """

    def make(function: ScoreFunction) -> Scorer:
        called = name or str(getattr(function, "__name__", "scorer")).strip("<>")
        identity = None if version is None else identity_of("function", name=called, version=version)
        return Scorer(called, function, bounds, identity=identity, less_is_better=less_is_better)

    return make if fn is None else make(fn)
