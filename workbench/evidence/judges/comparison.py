"""Two candidates compared by a pairwise judge: who wins how often, and whether the judge can be believed."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InvalidInput
from workbench.evidence.example import Example
from workbench.evidence.judges.asking import ask_all
from workbench.evidence.judges.length import at_equal_length
from workbench.evidence.judges.pairwise import PairwiseJudge, Verdict
from workbench.evidence.judges.trust import order_objections
from workbench.evidence.question import Asker, CallGate
from workbench.statistics import Interval, Vote, mean_interval, sign_flip_p_value, wilson

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = {"a": 1.0, "tie": 0.5, "b": 0.0}
_LEANS = {"first": 0.5, "second": -0.5, "tie": 0.0, None: 0.0}


@dataclass(frozen=True)
class Pair:
    """Two answers to one example."""

    example: Example
    """What was asked."""
    a: str
    """One answer."""
    b: str
    """The other."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """What a pairwise judge says of many pairs. Pairs without a verdict are left out, and counted in `failed`."""

    judge: PairwiseJudge
    """Who judged."""
    a: str
    """Name of the candidate whose win rate is told."""
    b: str
    """Name of the other."""
    pairs: tuple[Pair, ...]
    """The pairs."""
    verdicts: tuple[Verdict, ...]
    """A verdict each."""

    @cached_property
    def _decided(self) -> list[tuple[Pair, Verdict]]:
        found = [(p, v) for p, v in zip(self.pairs, self.verdicts, strict=True) if v.outcome is not None]
        if not found:
            raise InvalidInput(f"{self.judge.name} gave no verdict at all. The first said: {self.verdicts[0].note}")
        return found

    def count(self, outcome: str | None) -> int:
        """Return how many pairs ended so: "a", "b", "tie", or None for no verdict."""
        return sum(verdict.outcome == outcome for verdict in self.verdicts)

    @property
    def failed(self) -> int:
        """Pairs without a verdict."""
        return self.count(None)

    @property
    def _wins(self) -> list[float]:
        return [_FIGURES[str(verdict.outcome)] for _, verdict in self._decided]

    @property
    def _clusters(self) -> list[str] | None:
        groups = [pair.example.group for pair, _ in self._decided]
        ids = [pair.example.id for pair, _ in self._decided]
        if not any(groups) and len(set(ids)) == len(ids):
            return None
        return [f"group {group}" if group else f"example {name}" for group, name in zip(groups, ids, strict=True)]

    @property
    def win_rate(self) -> Interval:
        """How often `a` wins, a tie as half; by group, and by example where one was judged several times."""
        return mean_interval(self._wins, clusters=self._clusters)

    @property
    def at_equal_length(self) -> Interval | None:
        """The win rate that would be left if both answers were of one length; None where that can't be told."""
        longer = [float(len(pair.a) - len(pair.b)) for pair, _ in self._decided]
        return at_equal_length(self._wins, longer, clusters=self._clusters)

    @property
    def consistency(self) -> Interval:
        """How often both orders say the same."""
        same = [verdict.consistent for _, verdict in self._decided]
        return wilson(sum(map(bool, same)), len(same))

    @property
    def _leans(self) -> list[float]:
        return [sum(_LEANS[place] for place in verdict.places) for _, verdict in self._decided]

    @property
    def position_bias(self) -> Interval:
        """How much more often than second it prefers the first answer shown: 0 is none, 1 and -1 are always."""
        return mean_interval(self._leans, bounds=(-1.0, 1.0), clusters=self._clusters)

    @property
    def position_p(self) -> float:
        """P value of the sign test that it prefers neither place."""
        return sign_flip_p_value(np.asarray(self._leans, dtype=np.float64))

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all calls; None if the price of one is unknown."""
        costs = [verdict.cost_usd for verdict in self.verdicts]
        return None if None in costs else sum(filter(None, costs))

    @property
    def flags(self) -> tuple[str, ...]:
        """What speaks against the judge itself; empty if nothing does."""
        return tuple(order_objections(self.consistency.mean, self.position_bias.mean, self.position_p))

    def votes(self) -> list[Vote]:
        """Return a vote for each pair with a verdict, as `statistics.bradley_terry` and the preference test take them.

        Both orders made it, so no side was the left one.
        """
        rater = f"judge:{self.judge.name}"
        return [
            Vote(self.a, self.b, verdict.outcome, rater=rater, item=pair.example.id)
            for pair, verdict in self._decided
            if verdict.outcome is not None
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        equal = self.at_equal_length
        return {
            "judge": self.judge.identity,
            "name": self.judge.name,
            "a": self.a,
            "b": self.b,
            **{name: self.count(outcome) for name, outcome in (("wins", "a"), ("losses", "b"), ("ties", "tie"))},
            "failed": self.failed,
            "win_rate": _ends(self.win_rate),
            "win_rate_at_equal_length": None if equal is None else _ends(equal),
            "consistency": _ends(self.consistency),
            "position_bias": {**_ends(self.position_bias), "p_value": self.position_p},
            "cost_usd": self.cost_usd,
            "flags": list(self.flags),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a row a pair: `example_id`, `outcome`, `consistent`, `a_first`, `b_first`, `note`, `cost_usd`."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        rows = [
            (p.example.id, v.outcome, v.consistent, *v.places, v.note, v.cost_usd)
            for p, v in zip(self.pairs, self.verdicts, strict=True)
        ]
        return pd.DataFrame(
            rows, columns=["example_id", "outcome", "consistent", "a_first", "b_first", "note", "cost_usd"]
        )

    def __repr__(self) -> str:
        equal = self.at_equal_length
        won, lost, tied = (self.count(outcome) for outcome in ("a", "b", "tie"))
        lines = [
            f"{self.judge.name}: {self.a} against {self.b}",
            f"  pairs               {won} won, {lost} lost, {tied} tied, {self.failed} without a verdict",
            f"  win rate            {self.win_rate}",
            f"  at equal length     {equal if equal is not None else 'not to be told'}",
            f"  consistent          {self.consistency}",
            f"  lean to the first   {self.position_bias}",
        ]
        return "\n".join([*lines, *(f"  not to be trusted: {flag}" for flag in self.flags)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def compare(
    judge: PairwiseJudge,
    pairs: Sequence[Pair],
    *,
    gateway: Asker,
    a: str = "a",
    b: str = "b",
    call_gate: CallGate | None = None,
    workers: int = 4,
    progress: bool = True,
) -> Comparison:
    """Let a judge compare two candidates on many pairs, two calls each, `workers` pairs at once.

    A pair whose call failed has no verdict. Raises what would meet every call (no gateway, no such model, no right).
    """
    if a == b:
        raise InvalidInput("Two candidates of one name can't be told apart.", hint="Pass other names as a= and b=.")
    verdicts = ask_all(
        pairs,
        lambda pair: judge.decide(pair.example, pair.a, pair.b, gateway=gateway, call_gate=call_gate),
        lambda _, error: Verdict(None, note=f"{type(error).__name__}: {error}"),
        workers=workers,
        progress=progress,
        what=judge.name,
    )
    return Comparison(judge, a, b, tuple(pairs), tuple(verdicts))


def pairs_of(cells: pd.DataFrame, examples: Iterable[Example], *, a: str, b: str) -> list[Pair]:
    """Return the pairs of two candidates in an experiment's table of cells, repeat by repeat.

    Cells without a text on both sides are left out. Raises InvalidInput where no pair is left.
    """
    known = {example.id: example for example in examples}
    said: dict[str, dict[tuple[str, int], str]] = {a: {}, b: {}}
    columns = (cells["candidate"], cells["example_id"], cells["repeat"], cells["output"])
    for candidate, example_id, repeat, output in zip(*columns, strict=True):
        if candidate in said and isinstance(output, str) and example_id in known:
            said[candidate][str(example_id), int(repeat)] = output
    pairs = [Pair(known[key[0]], text, said[b][key]) for key, text in said[a].items() if key in said[b]]
    if not pairs:
        names = ", ".join(map(repr, dict.fromkeys(cells["candidate"])))
        raise InvalidInput(f"{a!r} and {b!r} answered no example together.", hint=f"The candidates are {names}.")
    return pairs


def _ends(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
