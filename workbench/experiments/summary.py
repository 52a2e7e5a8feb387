"""One row a candidate: how well, how sure, how dear, how fast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.experiments.frame import per_example
from workbench.experiments.run_info import Bounds, RunInfo
from workbench.statistics import mean_interval


def summarise(cells: pd.DataFrame, candidates: Sequence[RunInfo], scorers: Mapping[str, Bounds]) -> pd.DataFrame:
    """Return one row a candidate.

    `n` cells were answered and `failed` were not. Each scorer has its mean over the examples, the ends of the 95%
    interval and the number of examples scored. Cost, latency and tokens are those of the cells answered, from the
    journal too; `cost_usd` is NaN if the cost of any of them is unknown.
    """
    rows: list[dict[str, Any]] = []
    for candidate in candidates:
        own = cells[cells["candidate"] == candidate.name]
        good = own[own["error"].isna()]
        row: dict[str, Any] = {"model": candidate.model, "n": len(good), "failed": len(own) - len(good)}
        for name, bounds in scorers.items():
            row |= _scores(per_example(cells, f"score.{name}", candidate.name), f"score.{name}", bounds)
        row["cost_usd"] = float(good["cost_usd"].sum(skipna=False)) if len(good) else math.nan
        for percent in (50, 95):
            row[f"latency_ms_p{percent}"] = float(np.percentile(good["latency_ms"], percent)) if len(good) else math.nan
        for column in ("input_tokens", "output_tokens"):
            row[column] = float(good[column].sum(min_count=1))
        row["reused"] = int(good["reused"].sum())
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index([c.name for c in candidates], name="candidate"))


def _scores(values: pd.Series[float], column: str, bounds: Bounds) -> dict[str, float]:
    kept = np.asarray(values.dropna(), dtype=np.float64)
    if len(kept) == 0:
        return {column: math.nan, f"{column}.low": math.nan, f"{column}.high": math.nan, f"{column}.n": 0}
    interval = mean_interval(kept, bounds=bounds)
    return {
        column: interval.mean,
        f"{column}.low": interval.low,
        f"{column}.high": interval.high,
        f"{column}.n": interval.n,
    }
