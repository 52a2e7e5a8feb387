"""The gate: what the scores of an evidence run must show before a version may be promoted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InvalidInput
from workbench.statistics import Difference, mean_interval, paired_difference

if TYPE_CHECKING:
    import pandas as pd

Rule = Literal["superior", "not_worse", "at_least"]
_LESS_IS_BETTER = ("latency_ms", "cost_usd", "input_tokens", "output_tokens")
"""Columns of a run that may be a metric though no scorer gave them."""


@dataclass(frozen=True)
class Decision:
    """What a gate decided, with its figures."""

    passed: bool
    """Whether the version may be promoted."""
    reason: str
    """The figures in one line."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """The figures as JSON."""

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'refused'}: {self.reason}"


@dataclass(frozen=True)
class Gate:
    """A rule on one metric, fixed before the evidence is looked at."""

    metric: str
    """Name of a scorer, or `latency_ms`, `cost_usd`, `input_tokens` or `output_tokens` (there less is better)."""
    rule: Rule = "superior"
    """`superior`: the interval of the difference lies above 0. `not_worse`: it lies above `-margin`. `at_least`: the
    interval of the candidate's own mean lies at or above `threshold`; no baseline is needed."""
    confidence: float = 0.95
    """Confidence of the interval."""
    min_examples: int = 10
    """Examples with a score (on both sides) that must be there."""
    margin: float | None = None
    """What counts as not worse, in units of the metric; for `not_worse`."""
    threshold: float | None = None
    """What the mean must reach; for `at_least`."""
    bounds: tuple[float, float] | None = (0.0, 1.0)
    """Least and greatest score there can be; not used for latency, cost and tokens."""
    max_missing: float = 0.1
    """Largest share of examples that may lack a score: leaving out what failed must not make a prompt look good."""

    def __post_init__(self) -> None:
        if self.rule not in ("superior", "not_worse", "at_least"):
            raise InvalidInput(f"No rule {self.rule!r}. Known: superior, not_worse, at_least.", param="rule")
        if (self.rule == "not_worse") != (self.margin is not None) or (self.margin or 0) < 0:
            raise InvalidInput("The rule 'not_worse', and only it, needs a margin of 0 or more.", param="margin")
        if (self.rule == "at_least") != (self.threshold is not None):
            raise InvalidInput("The rule 'at_least', and only it, needs a threshold.", param="threshold")
        if not 0 < self.confidence < 1:
            raise InvalidInput(f"A confidence lies between 0 and 1, not at {self.confidence}.", param="confidence")

    @property
    def needs_baseline(self) -> bool:
        """Whether the rule compares with another run."""
        return self.rule != "at_least"

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as JSON."""
        return asdict(self)

    def decide(self, candidate: pd.DataFrame, baseline: pd.DataFrame | None = None) -> Decision:
        """Decide on two tables of cells (`example_id`, `score.<metric>`), paired by example.

        Repeats of an example are averaged first. Raises InvalidInput if a table lacks the metric.
        """
        ours = self._by_example(candidate)
        if not self.needs_baseline:
            return self._decide_alone(list(ours.values()))
        if baseline is None:
            raise InvalidInput(
                f"The rule {self.rule!r} compares with a baseline run.", hint="Name one with `against=`."
            )
        theirs = self._by_example(baseline)
        examples = sorted({*ours, *theirs})
        pairs = [(ours.get(each, math.nan), theirs.get(each, math.nan)) for each in examples]
        complete = [(a, b) for a, b in pairs if not (math.isnan(a) or math.isnan(b))]
        if (short := self._too_few(len(complete), len(pairs))) is not None:
            return short
        if self._less_is_better:
            complete = [(b, a) for a, b in complete]
        difference = paired_difference(
            [a for a, _ in complete], [b for _, b in complete], confidence=self.confidence, bounds=self._bounds
        )
        return self._decide_pair(difference, missing=len(pairs) - len(complete))

    @property
    def _less_is_better(self) -> bool:
        return self.metric in _LESS_IS_BETTER

    @property
    def _bounds(self) -> tuple[float, float] | None:
        return None if self._less_is_better else self.bounds

    def _decide_pair(self, difference: Difference, *, missing: int) -> Decision:
        shown = (
            f"difference {self._signed(difference.mean)} [{self._signed(difference.low)}, "
            f"{self._signed(difference.high)}], n = {difference.n}"
        )
        figures = {**_finite(asdict(difference)), "verdict": difference.verdict, "missing": missing}
        if self.rule == "superior":
            return Decision(difference.verdict == "better", f"{difference.verdict}: {shown}", figures)
        passed = difference.low > -float(self.margin or 0)
        word = "not worse" if passed else "may be worse"
        return Decision(passed, f"{word} by more than {self.margin:g}: {shown}", figures)

    def _decide_alone(self, scores: list[float]) -> Decision:
        kept = [score for score in scores if not math.isnan(score)]
        if (short := self._too_few(len(kept), len(scores))) is not None:
            return short
        interval = mean_interval(kept, confidence=self.confidence, bounds=self._bounds)
        threshold = float(self.threshold or 0)
        passed = interval.high <= threshold if self._less_is_better else interval.low >= threshold
        word = ("at most" if self._less_is_better else "at least") if passed else "not surely at the threshold"
        shown = f"mean {interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}], n = {interval.n}"
        figures = {**_finite(asdict(interval)), "threshold": threshold, "missing": len(scores) - len(kept)}
        return Decision(passed, f"{word} {threshold:g}: {shown}", figures)

    def _too_few(self, complete: int, examples: int) -> Decision | None:
        figures = {"n": complete, "missing": examples - complete}
        if complete < self.min_examples:
            return Decision(False, f"too few examples: n = {complete}, the gate asks for {self.min_examples}", figures)
        if examples - complete > self.max_missing * examples:
            lost = f"{examples - complete} of {examples} examples have no score, the gate allows {self.max_missing:.0%}"
            return Decision(False, lost, figures)
        return None

    def _by_example(self, cells: pd.DataFrame) -> dict[str, float]:
        column = self.metric if self._less_is_better else f"score.{self.metric}"
        if column not in cells or "example_id" not in cells:
            known = [str(each).removeprefix("score.") for each in cells if str(each).startswith("score.")]
            raise InvalidInput(
                f"The run has no metric {self.metric!r}. It has: {', '.join(known) or 'none'}.", param="metric"
            )
        scores: dict[str, list[float]] = {}
        for example, score in zip(cells["example_id"], cells[column], strict=True):
            found = scores.setdefault(str(example), [])
            if score is not None and not math.isnan(float(score)):
                found.append(float(score))
        return {example: sum(found) / len(found) if found else math.nan for example, found in scores.items()}

    def _signed(self, value: float) -> str:
        return f"{value:+.3g}" if self._bounds is None else f"{value:+.2f}"


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures as JSON takes them: an end that lies at infinity is none."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
