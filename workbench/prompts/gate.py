"""A rule of a gate: what the scores of an evidence run must show of one metric before a version may be promoted."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from workbench.errors import InvalidInput
from workbench.prompts.ballots import Ballots
from workbench.prompts.figures import as_json
from workbench.statistics import Difference, Interval, mean_interval, paired_difference
from workbench.statistics.order_statistics import quantile_interval

if TYPE_CHECKING:
    import pandas as pd

Rule = Literal["superior", "not_worse", "at_least", "at_most", "win_rate"]
MEASURED = ("latency_ms", "cost_usd", "input_tokens", "output_tokens")
"""Columns of a run that may be a metric though no scorer gave them; of each, less is better."""


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
    interval of the candidate's own mean lies at or above `threshold`; `at_most`: at or below it; neither needs a
    baseline. `win_rate`: the interval of its share of the people's votes against the baseline lies above `threshold`,
    or a half."""
    confidence: float = 0.95
    """Confidence of the interval."""
    min_examples: int = 10
    """Examples with a score (on both sides), or votes, that must be there."""
    margin: float | None = None
    """What counts as not worse, in units of the metric; for `not_worse`."""
    threshold: float | None = None
    """What must be reached, or kept; for `at_least`, `at_most` and `win_rate`."""
    bounds: tuple[float, float] | None = (0.0, 1.0)
    """Least and greatest score there can be; not used for latency, cost and tokens."""
    max_missing: float = 0.1
    """Largest share of examples that may lack a score: leaving out what failed must not make a prompt look good."""
    quantile: float | None = None
    """Which quantile is held to the threshold instead of the mean, such as 0.95; for `at_least` and `at_most`."""

    def __post_init__(self) -> None:
        for param, holds, demand in self._demands():
            if not holds:
                raise InvalidInput(demand, param=param)

    def _demands(self) -> Iterator[tuple[str, bool, str]]:
        """Yield what must hold of the fields: which, whether, and what to say where it does not."""
        margin, threshold, quantile = self.margin, self.threshold, self.quantile
        alone = self.rule in ("at_least", "at_most")
        yield "rule", self.rule in get_args(Rule), f"No rule {self.rule!r}. Known: {', '.join(get_args(Rule))}."
        yield "metric", bool(self.metric), "A rule needs a metric: the name of a scorer of the experiment."
        yield (
            "margin",
            (self.rule == "not_worse") == (margin is not None) and (margin is None or margin >= 0),
            "The rule 'not_worse', and only it, needs a margin of 0 or more.",
        )
        if self.rule == "win_rate":
            yield "threshold", threshold is None or 0 <= threshold < 1, "A win rate to pass lies from 0 to below 1."
        elif alone:
            yield "threshold", threshold is not None, f"The rule {self.rule!r} needs a threshold."
        else:
            yield "threshold", threshold is None, f"The rule {self.rule!r} has no threshold."
        yield (
            "quantile",
            quantile is None or (alone and 0 < quantile < 1),
            "A quantile lies between 0 and 1, and goes with 'at_least' and 'at_most'.",
        )
        yield "confidence", 0 < self.confidence < 1, f"A confidence lies between 0 and 1, not at {self.confidence}."
        yield "min_examples", self.min_examples >= 1, f"min_examples is {self.min_examples}; 1 is the least."
        yield "max_missing", 0 <= self.max_missing <= 1, f"max_missing is a share, not {self.max_missing}."

    @property
    def needs_baseline(self) -> bool:
        """Whether the rule compares with another run."""
        return self.rule not in ("at_least", "at_most")

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        what = {
            "superior": "better than the baseline",
            "not_worse": f"not worse than the baseline by {self.margin} or more",
            "at_least": f"{self._side} {self.threshold}",
            "at_most": f"{self._side} {self.threshold}",
            "win_rate": f"people prefer it in more than {self._win_rate:.0%} of their votes",
        }[self.rule]
        of = f"{self.quantile:g} quantile of {self.metric}" if self.quantile is not None else self.metric
        return f"{of}: {what}, at {self.confidence:.0%}, n >= {self.min_examples}"

    def decide(
        self,
        candidate: pd.DataFrame,
        baseline: pd.DataFrame | None = None,
        *,
        votes: Ballots | None = None,
        less_is_better: Collection[str] = (),
    ) -> Decision:
        """Decide on two tables of cells (`example_id`, `score.<metric>`), paired by example, or on people's votes.

        Repeats of an example are averaged first; examples that share a `group` count as one cluster. Of the scorers
        in `less_is_better` the lower score is the better one. Raises InvalidInput if a table lacks the metric, or for
        a quantile of examples that share groups.
        """
        if self.rule == "win_rate":
            return self._decide_votes(votes)
        ours = self._by_example(candidate)
        groups = _groups(candidate)
        if not self.needs_baseline:
            return self._decide_alone(ours, groups)
        if baseline is None:
            raise InvalidInput(
                f"The rule {self.rule!r} compares with a baseline run.", hint="Name one with `against=`."
            )
        theirs = self._by_example(baseline)
        examples = sorted({*ours, *theirs})
        pairs = {each: (ours.get(each, math.nan), theirs.get(each, math.nan)) for each in examples}
        complete = {each: (a, b) for each, (a, b) in pairs.items() if not (math.isnan(a) or math.isnan(b))}
        if (short := self._too_few(len(complete), len(pairs))) is not None:
            return short
        first, second = [a for a, _ in complete.values()], [b for _, b in complete.values()]
        if self._is_measured or self.metric in less_is_better:
            first, second = second, first
        difference = paired_difference(
            first, second, confidence=self.confidence, bounds=self._bounds, **_clusters(complete, groups)
        )
        return self._decide_pair(difference, missing=len(pairs) - len(complete))

    @property
    def _is_measured(self) -> bool:
        return self.metric in MEASURED

    @property
    def _side(self) -> str:
        """Where the figure is to lie: of cost and latency, `at_least` has always meant below the threshold."""
        return "at most" if self.rule == "at_most" or self._is_measured else "at least"

    @property
    def _bounds(self) -> tuple[float, float] | None:
        return None if self._is_measured else self.bounds

    def _decide_pair(self, difference: Difference, *, missing: int) -> Decision:
        shown = (
            f"difference {self._signed(difference.mean)} [{self._signed(difference.low)}, "
            f"{self._signed(difference.high)}], n = {difference.n}"
        )
        figures = {**as_json(asdict(difference)), "verdict": difference.verdict, "missing": missing}
        if self.rule == "superior":
            return Decision(difference.verdict == "better", f"{difference.verdict}: {shown}", figures)
        passed = difference.low > -float(self.margin or 0)
        word = "not worse" if passed else "may be worse"
        return Decision(passed, f"{word} by more than {self.margin:g}: {shown}", figures)

    def _decide_alone(self, scores: Mapping[str, float], groups: Mapping[str, str]) -> Decision:
        kept = {example: score for example, score in scores.items() if not math.isnan(score)}
        if (short := self._too_few(len(kept), len(scores))) is not None:
            return short
        values, clusters = list(kept.values()), _clusters(kept, groups)
        if self.quantile is not None:
            independent = len(set(clusters["clusters"])) if clusters else len(values)
            if independent < len(values):
                raise InvalidInput(
                    f"A quantile of {self.metric} takes its examples as independent; these {len(values)} stand in "
                    f"{independent} groups.",
                    hint="Hold the mean to the threshold, or run on data with one example of each group.",
                    param="quantile",
                )
            name = f"{self.quantile:g} quantile"
            interval = quantile_interval(values, self.quantile, confidence=self.confidence)
        else:
            name = "mean"
            interval = mean_interval(values, confidence=self.confidence, bounds=self._bounds, **clusters)
        threshold = float(self.threshold or 0)
        passed = interval.high <= threshold if self._side == "at most" else interval.low >= threshold
        word = self._side if passed else "not surely at the threshold"
        shown = f"{name} {_told(interval)}"
        figures = {**as_json(asdict(interval)), "threshold": threshold, "missing": len(scores) - len(kept)}
        return Decision(passed, f"{word} {threshold:g}: {shown}", figures)

    def _decide_votes(self, votes: Ballots | None) -> Decision:
        found = votes.n if votes else 0
        if votes is None or found < self.min_examples:
            return Decision(False, f"too few votes: n = {found}, the gate asks for {self.min_examples}", {"n": found})
        share = votes.share(confidence=self.confidence)
        passed = share.low > self._win_rate
        word = "preferred" if passed else "not surely preferred"
        figures = {**as_json(asdict(share)), "threshold": self._win_rate, **votes.as_dict()}
        raters = "1 rater" if votes.raters == 1 else f"{votes.raters} raters"
        return Decision(passed, f"{word}: win rate {_told(share)} votes of {raters}", figures)

    @property
    def _win_rate(self) -> float:
        return 0.5 if self.threshold is None else self.threshold

    def _too_few(self, complete: int, examples: int) -> Decision | None:
        figures = {"n": complete, "missing": examples - complete}
        if complete < self.min_examples:
            return Decision(False, f"too few examples: n = {complete}, the gate asks for {self.min_examples}", figures)
        if examples - complete > self.max_missing * examples:
            lost = f"{examples - complete} of {examples} examples have no score, the gate allows {self.max_missing:.0%}"
            return Decision(False, lost, figures)
        return None

    def _by_example(self, cells: pd.DataFrame) -> dict[str, float]:
        column = self.metric if self._is_measured else f"score.{self.metric}"
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


def _groups(cells: pd.DataFrame) -> dict[str, str]:
    """Return the cluster of each example that has one."""
    if "group" not in cells or "example_id" not in cells:
        return {}
    pairs = zip(cells["example_id"], cells["group"], strict=True)
    return {str(example): str(group) for example, group in pairs if isinstance(group, str) and group}


def _clusters(examples: Iterable[str], groups: Mapping[str, str]) -> dict[str, Any]:
    """Return the clusters of examples as the statistics take them; an example of no group is one by itself."""
    return {"clusters": [groups.get(each, f"example {each}") for each in examples]} if groups else {}


def _told(interval: Interval) -> str:
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}], n = {interval.n}"
