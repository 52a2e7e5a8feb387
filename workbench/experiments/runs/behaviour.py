"""What two prompts do on the same examples: which answers differ, and whether that is better or worse."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.frame import clusters_of, per_example
from workbench.experiments.runs.running import run
from workbench.prompts import Prompt, load
from workbench.statistics import Interval, holm, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker

_MEASURES = ("output_tokens", "cost_usd")
"""Compared beside the scorers, where they are known."""
_SHOWN = 60  # characters of an answer
_MOST_SHOWN = 10  # examples


@dataclass(frozen=True, repr=False)
class BehaviourDiff:
    """How the answers of two prompts differ on a dataset; false if none does."""

    a: str
    """The first prompt, as the experiment calls it."""
    b: str
    """The second."""
    rows: pd.DataFrame
    """A row an example: `example_id`, `changed` (share of its repeats in which the answers differ; NaN where one is
    missing), `a` and `b` (the first answers), and for each scorer `<scorer>.a`, `<scorer>.b` and `<scorer>.difference`
    (b - a, repeats averaged). Those that changed most stand first."""
    changed: Interval | None
    """Share of the examples on which the answers differ, with its interval; None where none has both."""
    unsteady: Interval | None
    """Share on which the first prompt differs from itself, asked again; None without repeats. What is not above it
    may be chance."""
    statistics: pd.DataFrame
    """A row a measure (each scorer, tokens, cost): the paired difference b - a as `Experiment.compare` gives it; the p
    values of the scorers are adjusted together by Holm's method."""
    experiment: Experiment
    """The experiment that asked both."""

    def __bool__(self) -> bool:
        return bool((self.rows["changed"] > 0).any())

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON."""
        told = {name: _interval(getattr(self, name)) for name in ("changed", "unsteady")}
        rows = json.loads(self.rows.to_json(orient="records"))
        return {"a": self.a, "b": self.b, **told, "statistics": self._figures(), "rows": rows}

    def __repr__(self) -> str:
        lines = [self._heading()]
        lines += map(_measure, self._figures())
        changed = self.rows[self.rows["changed"] > 0]
        for row in changed.head(_MOST_SHOWN).to_dict("records"):
            lines += [f"{row['example_id']}", f"  - {_short(row['a'])}", f"  + {_short(row['b'])}"]
        if len(changed) > _MOST_SHOWN:
            lines.append(f"... and {len(changed) - _MOST_SHOWN} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        changed = self.rows[self.rows["changed"] > 0]
        tables = "".join(
            table.to_html(index=False, escape=True, float_format=lambda value: f"{value:.4g}", max_rows=_MOST_SHOWN)
            for table in (self.statistics, changed)
            if len(table)
        )
        return f"<p><b>{html.escape(self._heading())}</b></p>{tables}"

    def _heading(self) -> str:
        if self.changed is None:
            return f"{self.a} and {self.b}: no example was answered by both."
        count = int((self.rows["changed"] > 0).sum())
        steady = "" if self.unsteady is None else f"; {self.a} differs from itself on {_percent(self.unsteady)}"
        return (
            f"{self.a} and {self.b} answer {count} of {self.changed.n} examples differently: "
            f"{_percent(self.changed)}{steady}."
        )

    def _figures(self) -> list[dict[str, Any]]:
        figures: list[dict[str, Any]] = json.loads(self.statistics.to_json(orient="records", double_precision=12))
        return figures


def diff_behaviour(
    a: Prompt | str,
    b: Prompt | str,
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    model: str | None = None,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    budget_usd: float | None = None,
    confidence: float = 0.95,
    concurrency: int = 2,
    progress: bool = True,
    tracker: Tracker | None = None,
) -> BehaviourDiff:
    """Ask two prompts about every example and show on which their answers differ, with paired statistics.

    Each prompt is a `Prompt` or what `prompts.load` takes; `model` counts before their own. Two answers are the same if
    they are the same text, white space at the ends aside, or the same JSON. With `repeats` of 2 or more it is also told
    how often the first prompt differs from itself: where a model is not steady, answers differ by chance. Nothing is
    written to MLflow; answers are kept in the journal, so what was asked before is not paid again. Raises what
    `experiments.run` raises.
    """
    first, second = (load(each, tracker=tracker) if isinstance(each, str) else each for each in (a, b))
    names = [first.label, second.label]
    if names[0] == names[1]:
        names = [f"{names[0]} (a)", f"{names[1]} (b)"]
    experiment = run(
        f"diff {first.name}",
        [Candidate(name, prompt, model) for name, prompt in zip(names, (first, second), strict=True)],
        dataset,
        scorers,
        gateway=gateway,
        repeats=repeats,
        budget_usd=budget_usd,
        concurrency=concurrency,
        progress=progress,
        track=False,
    )
    return _difference(experiment, *names, repeats=repeats, confidence=confidence)


def _difference(experiment: Experiment, a: str, b: str, *, repeats: int, confidence: float) -> BehaviourDiff:
    answers = _answers(experiment.cells)
    changed = _unlike(answers, a, b, [(each, each) for each in range(repeats)])
    own = _unlike(answers, a, a, [(each, each + 1) for each in range(repeats - 1)])
    return BehaviourDiff(
        a,
        b,
        rows=_rows(experiment, a, b, changed),
        changed=_share(experiment.cells, changed, confidence),
        unsteady=_share(experiment.cells, own, confidence) if repeats > 1 else None,
        statistics=_statistics(experiment, a, confidence),
        experiment=experiment,
    )


_Answers = Mapping[tuple[str, str, int], Any]


def _answers(cells: pd.DataFrame) -> _Answers:
    """Return each answer in the form in which two are compared; what failed is not there."""
    return {
        (row["candidate"], row["example_id"], row["repeat"]): _plain(row["output"])
        for row in cells.to_dict("records")
        if row["error"] is None
    }


def _plain(output: Any) -> Any:
    if not isinstance(output, str):
        return output
    try:
        return json.dumps(json.loads(output), sort_keys=True)
    except ValueError:
        return output.strip()


def _unlike(answers: _Answers, a: str, b: str, pairs: Sequence[tuple[int, int]]) -> pd.Series[float]:
    """Return by example the share of pairs of repeats in which the answers differ; NaN where no pair is whole."""
    import pandas as pd  # noqa: PLC0415 - loads with the first use

    shares = {}
    for example in dict.fromkeys(example for _, example, _ in answers):
        both = [(answers.get((a, example, one)), answers.get((b, example, other))) for one, other in pairs]
        whole = [one != other for one, other in both if one is not None and other is not None]
        shares[example] = sum(whole) / len(whole) if whole else float("nan")
    return pd.Series(shares, dtype="float64")


def _share(cells: pd.DataFrame, shares: pd.Series[float], confidence: float) -> Interval | None:
    shares = shares.dropna()
    if shares.empty:
        return None
    clusters = clusters_of(cells, shares.index)
    unit = "group" if clusters else None
    return mean_interval(np.asarray(shares, dtype=np.float64), confidence=confidence, clusters=clusters, unit=unit)


def _rows(experiment: Experiment, a: str, b: str, changed: pd.Series[float]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - loads with the first use

    cells = experiment.cells
    first = cells[cells["repeat"] == 0].set_index(["candidate", "example_id"])["output"]
    examples = list(dict.fromkeys(cells["example_id"]))
    rows = pd.DataFrame({"example_id": examples, "changed": changed.reindex(examples).to_numpy()})
    for name, side in (("a", a), ("b", b)):
        rows[name] = [first.get((side, example)) for example in examples]
    order = ["changed"]
    for scorer in experiment.scorers:
        column = f"score.{scorer}"
        own, other = (per_example(cells, column, side).reindex(examples).to_numpy() for side in (a, b))
        rows[f"{scorer}.a"], rows[f"{scorer}.b"], rows[f"{scorer}.difference"] = own, other, other - own
        rows["_"] = rows.get("_", 0) + (rows[f"{scorer}.difference"].abs()).fillna(0)
        order = ["_", "changed"]
    rows = rows.sort_values(order, ascending=False, kind="stable", na_position="last").reset_index(drop=True)
    return rows.drop(columns="_", errors="ignore")


def _statistics(experiment: Experiment, baseline: str, confidence: float) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - loads with the first use

    measures = [*experiment.scorers, *(m for m in _MEASURES if experiment.cells[m].notna().any())]
    tables = [experiment.compare(metric=m, baseline=baseline, confidence=confidence) for m in measures]
    if not tables:
        return pd.DataFrame()
    found = pd.concat(tables, ignore_index=True)
    scored = len(experiment.scorers)
    if scored > 1:
        found.loc[: scored - 1, "p_value"] = holm(list(found["p_value"][:scored]))
        unsure = (found["p_value"] >= 1 - confidence) & (found.index < scored)
        found.loc[unsure, "verdict"] = "not distinguishable"
    return found


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {key: getattr(interval, key) for key in ("mean", "low", "high", "n", "unit", "method")}


def _percent(interval: Interval) -> str:
    return f"{interval.mean:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def _measure(figure: Mapping[str, Any]) -> str:
    units = "" if figure["unit"] == "example" else f" in {figure['units']} {figure['unit']}s"
    return (
        f"{figure['metric']}: {figure['baseline_mean']:.4g} -> {figure['mean']:.4g}, difference "
        f"{figure['difference']:+.3g} [{figure['low']:+.3g}, {figure['high']:+.3g}], n = {figure['n']}{units}: "
        f"{figure['verdict']}"
    )


def _short(answer: Any) -> str:
    if not isinstance(answer, str):
        return "(no answer)" if answer is None else "(no text)"
    line = " ".join(answer.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
