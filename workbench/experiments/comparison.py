"""Every candidate against a baseline, on the examples that both answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import InvalidInput
from workbench.experiments.frame import NUMBERS, metric_column, per_example
from workbench.experiments.run_info import Bounds
from workbench.statistics import Difference, holm, paired_difference

COLUMNS = ["metric", "baseline", "mean", "baseline_mean", "difference", "low", "high", "p_value", "n", "excluded",
           "verdict", "method"]  # fmt: skip
_TURNED = {"better": "worse", "worse": "better"}


def compare(
    cells: pd.DataFrame,
    candidates: Sequence[str],
    scorers: Mapping[str, Bounds],
    metric: str | None,
    *,
    baseline: str | None,
    confidence: float,
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
    pairs = {name: _paired(cells, column, name, baseline) for name in others}
    found = {name: _difference(pair, bounds, confidence) for name, pair in pairs.items()}
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
                difference.excluded,
                _TURNED.get(verdict, verdict) if column in NUMBERS else verdict,
                difference.method,
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS, index=pd.Index(others, name="candidate"))


def _paired(cells: pd.DataFrame, column: str, name: str, baseline: str) -> pd.DataFrame:
    return pd.DataFrame({"a": per_example(cells, column, name), "b": per_example(cells, column, baseline)})


def _difference(pair: pd.DataFrame, bounds: Bounds, confidence: float) -> Difference:
    if pair.dropna().empty:
        nothing = math.nan
        return Difference(nothing, nothing, nothing, 0, 1.0, "none: no example has both", confidence, len(pair))
    return paired_difference(
        pair["a"].to_numpy(dtype=np.float64),
        pair["b"].to_numpy(dtype=np.float64),
        confidence=confidence,
        bounds=bounds,
    )
