"""One row a candidate: how well, how sure, how dear, how fast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.experiments.results.frame import GROUP, clusters_of, per_example
from workbench.experiments.results.run_info import Bounds, RunInfo
from workbench.statistics import mean_interval
from workbench.statistics.order_statistics import quantile_interval


def summarise(
    cells: pd.DataFrame, candidates: Sequence[RunInfo], scorers: Mapping[str, Bounds], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Return one row a candidate; see `Experiment.table`."""
    rows: list[dict[str, Any]] = []
    for candidate in candidates:
        own = cells[cells["candidate"] == candidate.name]
        good = own[own["error"].isna()]
        row: dict[str, Any] = {"model": candidate.model, "n": len(good), "failed": len(own) - len(good)}
        for name, bounds in scorers.items():
            row |= mean_of(cells, f"score.{name}", candidate.name, bounds=bounds, confidence=confidence)
        row["cost_usd"] = float(good["cost_usd"].sum(skipna=False)) if len(good) else math.nan
        for percent in (50, 95):
            row |= _percentile(good["latency_ms"], percent, confidence)
        for column in ("latency_ms", "cost_usd"):
            row |= mean_of(good, column, candidate.name, called=f"{column}_a_call", least=0.0, confidence=confidence)
        for column in ("input_tokens", "output_tokens"):
            row[column] = float(good[column].sum(min_count=1))
        row["reused"] = int(good["reused"].sum())
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index([c.name for c in candidates], name="candidate"))


def _percentile(latency: pd.Series[float], percent: int, confidence: float) -> dict[str, float]:
    """Return a percentile of the answers' latency, with the ends of its interval."""
    called, kept = f"latency_ms_p{percent}", latency.dropna()
    if kept.empty:
        return dict.fromkeys((called, f"{called}.low", f"{called}.high"), math.nan)
    interval = quantile_interval(list(kept), percent / 100, confidence=confidence)
    return {
        called: float(np.percentile(kept, percent)),
        f"{called}.low": max(0.0, interval.low),
        f"{called}.high": interval.high,
    }


def mean_of(
    cells: pd.DataFrame,
    column: str,
    candidate: str,
    *,
    called: str | None = None,
    bounds: Bounds = None,
    least: float = -math.inf,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return a candidate's mean over the examples with the ends of its interval, its n and its unit, by `called`.

    `least` is where the interval of a measure without bounds ends all the same (time, money: 0).
    """
    called = called or column
    values = per_example(cells, column, candidate).dropna()
    if values.empty:
        nothing: dict[str, Any] = dict.fromkeys((called, f"{called}.low", f"{called}.high"), math.nan)
        return nothing | {f"{called}.n": 0, f"{called}.unit": "example", f"{called}.units": 0}
    clusters = clusters_of(cells, values.index)
    interval = mean_interval(
        np.asarray(values, dtype=np.float64),
        bounds=bounds,
        confidence=confidence,
        clusters=clusters,
        unit=GROUP if clusters else None,
    )
    return {
        called: interval.mean,
        f"{called}.low": max(least, interval.low),
        f"{called}.high": interval.high,
        f"{called}.n": interval.n,
        f"{called}.unit": interval.unit,
        f"{called}.units": interval.clusters or interval.n,
    }
