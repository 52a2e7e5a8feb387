"""How a version does since it is live, beside what was live before it, and whether that speaks for rolling back.

The two were not live at the same time, so what else changed meanwhile counts as the version's doing; a rollout
compares at the same time. Looking often makes no mistake likelier: what is live is judged by confidence sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InvalidInput
from workbench.prompts.defaults import default_gateway
from workbench.prompts.figures import as_json
from workbench.statistics import ConfidenceSequence, Interval, mean_interval
from workbench.statistics.order_statistics import quantile_interval

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway

Verdict = Literal["surely worse", "not surely worse", "too few before", "nothing yet"]
_SLOWEST = 0.95
_FIGURES = 4
"""Figures that are judged; each gets its part of the risk."""


@dataclass(frozen=True)
class Figure:
    """One figure of what is live and of what was."""

    name: str
    """`errors` (share of calls), `slow` and `dear` (share of calls beyond what 19 of 20 kept to before), `feedback`."""
    live: Interval | None
    """Since it is live, with an interval that holds at every look; None without an observation."""
    before: Interval | None
    """Before; None without an observation."""
    bar: float | None
    """What the live figure must surely pass to count as worse: the worst that the earlier one may be, and the
    tolerance; None where that can't be told."""
    verdict: Verdict
    """What the two say."""


@dataclass(frozen=True)
class Watch:
    """How a published version does."""

    name: str
    """The prompt."""
    alias: str
    """The alias."""
    version: int
    """What is live."""
    since: str
    """Since when, UTC."""
    calls: int
    """Calls that it made."""
    before_version: int | None
    """What was live before; None: nothing."""
    before_calls: int
    """Calls that that one made while it was live."""
    figures: tuple[Figure, ...]
    """The figures that are judged."""
    latency_ms: tuple[Interval | None, Interval | None]
    """Mean latency of answered calls, now and before."""
    cost_usd: tuple[Interval | None, Interval | None]
    """Mean cost of answered calls whose price is known, now and before."""

    @property
    def proposes_rollback(self) -> bool:
        """Whether a figure is surely worse than before."""
        return any(figure.verdict == "surely worse" for figure in self.figures)

    @property
    def reason(self) -> str:
        """Why, or why not, in one line."""
        worse = [f"{figure.name} {_told(figure.live)}, bar {figure.bar:.3g}" for figure in self.figures
                 if figure.verdict == "surely worse" and figure.bar is not None]  # fmt: skip
        if worse:
            return f"surely worse than v{self.before_version}: {'; '.join(worse)}"
        if self.before_version is None:
            return "nothing was live before"
        return f"not surely worse than v{self.before_version} so far"

    def table(self) -> pd.DataFrame:
        """Return a row a figure: its value now and before, with their intervals."""
        import pandas as pd  # noqa: PLC0415 - an application that loads prompts needs none

        rows: list[dict[str, Any]] = []
        told = [(each.name, each.live, each.before, each.verdict) for each in self.figures]
        told += [("latency_ms", *self.latency_ms, None), ("cost_usd", *self.cost_usd, None)]  # type: ignore[list-item]
        for name, live, before, verdict in told:
            row: dict[str, Any] = {"figure": name}
            for word, interval in (("live", live), ("before", before)):
                row |= {
                    word: None if interval is None else interval.mean,
                    f"{word}.low": None if interval is None else interval.low,
                    f"{word}.high": None if interval is None else interval.high,
                    f"{word}.n": 0 if interval is None else interval.n,
                }
            rows.append({**row, "verdict": verdict})
        return pd.DataFrame(rows).set_index("figure")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {**as_json(asdict(self)), "proposes_rollback": self.proposes_rollback, "reason": self.reason}

    def __str__(self) -> str:
        before = f", v{self.before_version} before it made {self.before_calls}" if self.before_version else ""
        head = f"{self.name}@{self.alias} is v{self.version} since {self.since}: {self.calls} calls{before}."
        rows = [
            f"  {each.name}: {_told(each.live)}, before {_told(each.before)}: {each.verdict}" for each in self.figures
        ]
        rows += [
            f"  {name}: {_told(now)}, before {_told(then)}"
            for name, (now, then) in (("latency_ms", self.latency_ms), ("cost_usd", self.cost_usd))
        ]
        way = f" `workbench prompts rollback {self.name} --alias {self.alias}`" if self.proposes_rollback else ""
        advice = "ROLL BACK" if self.proposes_rollback else "keep it"
        return "\n".join([head, *rows, f"{advice}: {self.reason}.{way}"])


def watch(
    name: str,
    alias: str = "production",
    *,
    tolerance: float = 0.05,
    min_before: int = 20,
    confidence: float = 0.95,
    feedback_bounds: tuple[float, float] = (0.0, 1.0),
    gateway: Gateway | None = None,
) -> Watch:
    """Return how what is live does beside what was live before it, by the gateway's ledger and its feedback.

    A figure is surely worse when its confidence sequence lies beyond the worst that the earlier figure may be by more
    than `tolerance` (a share; of feedback, a share of its bounds). With two versions that are alike, the chance that
    rolling back is ever proposed is at most `1 - confidence`, however often one looks. Of fewer than `min_before`
    observations before nothing is concluded. Feedback outside its bounds is left out. Raises NotFound where nothing is
    live.
    """
    told = (gateway or default_gateway()).promotion.watched(name, alias)
    return read_watch(
        told, tolerance=tolerance, min_before=min_before, confidence=confidence, feedback_bounds=feedback_bounds
    )


def read_watch(
    told: Mapping[str, Any],
    *,
    tolerance: float = 0.05,
    min_before: int = 20,
    confidence: float = 0.95,
    feedback_bounds: tuple[float, float] = (0.0, 1.0),
) -> Watch:
    """Return what the outcomes say that a gateway told of (`GET /v1/prompts/{name}@{alias}/watch`); see `watch`."""
    if not 0 <= tolerance < 1 or not 0 < confidence < 1:
        raise InvalidInput("Tolerance and confidence are shares.", hint="0.05 and 0.95 are usual.", param="tolerance")
    live, before = told["live"], told["before"] or {}
    low, high = feedback_bounds
    judge = _Judge(alpha=(1 - confidence) / _FIGURES, tolerance=tolerance, min_before=min_before)
    figures = (
        judge.share("errors", _floats(live, "failed"), _floats(before, "failed")),
        judge.share("slow", *_beyond(_floats(live, "latency_ms"), _floats(before, "latency_ms"), min_before)),
        judge.share("dear", *_beyond(_floats(live, "cost_usd"), _floats(before, "cost_usd"), min_before)),
        # What is lacking to the best word there is, so that less is better here too; turned round for showing.
        _turned(
            judge.share(
                "feedback", *([(high - value) / (high - low) for value in _floats(each, "feedback")
                               if low <= value <= high] for each in (live, before))
            ), low=low, high=high,
        ),
    )  # fmt: skip
    return Watch(
        told["name"],
        told["alias"],
        live["version"],
        live["published_at"],
        live["calls"],
        before.get("version"),
        before.get("calls", 0),
        figures,
        (_mean(live, "latency_ms"), _mean(before, "latency_ms")),
        (_mean(live, "cost_usd"), _mean(before, "cost_usd")),
    )


@dataclass(frozen=True)
class _Judge:
    alpha: float
    tolerance: float
    min_before: int

    def share(self, name: str, live: Sequence[float], before: Sequence[float]) -> Figure:
        """Judge a share of which less is better; half of the risk is for each of the two."""
        earlier = mean_interval(before, confidence=1 - self.alpha) if before else None
        bar = None
        if earlier is not None and earlier.n >= self.min_before:
            bar = min(earlier.high + self.tolerance, 1 - 1e-9)
        sequence = ConfidenceSequence((0.0, 1.0), alpha=self.alpha, null=0.5 if bar is None else bar, unit="call")
        sequence.observe(live)
        seen = sequence.interval if live else None
        if seen is None:
            verdict: Verdict = "nothing yet"
        elif bar is None:
            verdict = "too few before"
        else:
            verdict = "surely worse" if sequence.verdict == "above" else "not surely worse"
        return Figure(name, seen, earlier, bar, verdict)


def _beyond(live: Sequence[float], before: Sequence[float], least: int) -> tuple[list[float], list[float]]:
    """Return, of each call, whether it lies beyond what 19 of 20 calls kept to before."""
    if len(before) < least:
        return [], []
    usual = quantile_interval(before, _SLOWEST).mean
    return [float(value > usual) for value in live], [float(value > usual) for value in before]


def _turned(figure: Figure, *, low: float, high: float) -> Figure:
    """Return a figure of what is lacking as one of what there is."""

    def turn(found: Interval | None) -> Interval | None:
        if found is None:
            return None
        mean, least, most = (high - share * (high - low) for share in (found.mean, found.high, found.low))
        return replace(found, mean=mean, low=least, high=most)

    bar = None if figure.bar is None else high - figure.bar * (high - low)
    return Figure(figure.name, turn(figure.live), turn(figure.before), bar, figure.verdict)


def _floats(side: Mapping[str, Any], column: str) -> list[float]:
    return [float(value) for value in side.get(column, ()) if value is not None]


def _mean(side: Mapping[str, Any], column: str) -> Interval | None:
    values = _floats(side, column)
    return mean_interval(values, bounds=None) if values else None


def _told(found: Interval | None) -> str:
    return "none" if found is None else f"{found.mean:.3g} [{found.low:.3g}, {found.high:.3g}] (n={found.n})"
