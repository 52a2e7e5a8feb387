"""Every candidate against a baseline, on the examples that both answered."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import InvalidInput
from workbench.experiments.results.frame import GROUP, NUMBERS, clusters_of, metric_column, metrics_of, per_example
from workbench.experiments.results.run_info import Bounds
from workbench.statistics import Difference, holm, paired_difference

COLUMNS = ["metric", "baseline", "mean", "baseline_mean", "difference", "low", "high", "p_value", "n", "unit",
           "units", "excluded", "verdict", "method"]  # fmt: skip
_TURNED = {"better": "worse", "worse": "better"}


def meant(
    cells: pd.DataFrame, candidates: Sequence[str], which: str | None, *, metric: str | None, baseline: str | None
) -> tuple[str | None, str | None]:
    """Return the metric and the baseline that are meant by a word that may be either.

    Raises InvalidInput if the word is both, or neither, or says again what is said already.
    """
    if which is None:
        return metric, baseline
    is_metric, is_candidate = which in metrics_of(cells) or which in cells.columns, which in candidates
    if is_metric and is_candidate:
        raise InvalidInput(
            f"{which!r} names a candidate and a metric.", hint=f"Write baseline={which!r} or metric={which!r}."
        )
    if is_candidate and baseline is None:
        return metric, which
    if is_metric and metric is None:
        return which, baseline
    if is_metric or is_candidate:
        raise InvalidInput(f"There is one {'metric' if is_metric else 'baseline'}, and {which!r} is a second.")
    raise InvalidInput(
        f"No metric and no candidate named {which!r}.",
        hint=f"Known: {', '.join(metrics_of(cells))}; candidates: {', '.join(map(repr, candidates))}.",
    )


def compare(
    cells: pd.DataFrame,
    candidates: Sequence[str],
    scorers: Mapping[str, Bounds],
    metric: str | None,
    *,
    baseline: str | None,
    confidence: float,
    less_is_better: Collection[str] = (),
) -> pd.DataFrame:
    """Return one row a candidate other than the baseline; see `Experiment.compare`."""
    metric = metric or next(iter(scorers), "latency_ms")
    column = metric_column(cells, metric)
    metric = column.removeprefix("score.")
    baseline = baseline or candidates[0]
    if baseline not in candidates:
        raise InvalidInput(f"No candidate named {baseline!r}.", hint=f"Known: {', '.join(map(repr, candidates))}.")
    others = [name for name in candidates if name != baseline]
    bounds = None if column in NUMBERS else scorers.get(metric)
    turned = column in NUMBERS or metric in less_is_better
    pairs = {name: _paired(cells, column, name, baseline) for name in others}
    found = {name: difference_of(cells, pair, bounds, confidence) for name, pair in pairs.items()}
    adjusted = holm([each.p_value for each in found.values()])
    rows = []
    for (name, difference), p_value in zip(found.items(), adjusted, strict=True):
        verdict: str = replace(difference, p_value=p_value).verdict
        pair = pairs[name].dropna()
        rows.append(
            (
                metric,
                baseline,
                float(pair["a"].mean()),
                float(pair["b"].mean()),
                difference.mean,
                difference.low,
                difference.high,
                p_value,
                difference.n,
                difference.unit,
                difference.clusters or difference.n,
                difference.excluded,
                _TURNED.get(verdict, verdict) if turned else verdict,
                difference.method,
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS, index=pd.Index(others, name="candidate"))


def _paired(cells: pd.DataFrame, column: str, name: str, baseline: str) -> pd.DataFrame:
    return pd.DataFrame({"a": per_example(cells, column, name), "b": per_example(cells, column, baseline)})


def difference_of(cells: pd.DataFrame, pair: pd.DataFrame, bounds: Bounds, confidence: float) -> Difference:
    """Return column `a` less `b`, a row an example; those of one group are one cluster. Without a pair it is NaN."""
    if pair.dropna().empty:
        nothing = math.nan
        return Difference(nothing, nothing, nothing, 0, 1.0, "none: no example has both", confidence, len(pair))
    clusters = clusters_of(cells, pair.index) if clusters_of(cells, pair.dropna().index) else None
    return paired_difference(
        pair["a"].to_numpy(dtype=np.float64),
        pair["b"].to_numpy(dtype=np.float64),
        confidence=confidence,
        bounds=bounds,
        clusters=clusters,
        unit=GROUP if clusters else None,
    )
