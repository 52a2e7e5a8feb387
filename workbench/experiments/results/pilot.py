"""What an experiment that was run says of the next one: how many rows and dollars a difference needs to be found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import InvalidInput
from workbench.experiments.results.frame import GROUP, clusters_of, is_grouped, metric_column, per_example
from workbench.experiments.results.run_info import Bounds
from workbench.statistics import Plan, plan
from workbench.statistics.clusters import cluster_codes, intraclass


def plan_from(
    cells: pd.DataFrame,
    candidates: Sequence[str],
    scorers: Mapping[str, Bounds],
    *,
    mde: float,
    power: float,
    alpha: float,
    metric: str | None,
    repeats: int,
) -> Plan:
    """Return what a difference of `mde` needs; see `Experiment.plan`."""
    column = metric_column(cells, metric or next(iter(scorers), "latency_ms"))
    scored = cells[cells["error"].isna() & cells[column].notna()]
    if scored.empty:
        raise InvalidInput(f"No cell has a figure of {metric!r} to plan with.")
    costs = scored.groupby("candidate")["cost_usd"].mean()
    usd = None if costs.isna().any() else float(costs.mean())
    bounds = scorers.get(column.removeprefix("score."))
    binary = bounds is not None and bool(scored[column].isin(bounds).all())
    once = scored[scored["repeat"] == scored["repeat"].min()]  # what repeats save is told by `within_sd`
    ours = {name: per_example(once, column, name) for name in candidates}
    first, *others = (ours[name] for name in candidates)
    varied = [(other - first).dropna() for other in others] or [first.dropna()]
    known: dict[str, float] = {}
    if others and binary and repeats == 1:
        known["discordant"] = max(float((pair != 0).mean()) for pair in varied)
    elif others:
        known["sd"] = max(float(pair.std()) for pair in varied)
    elif binary:
        known["baseline"] = float(first.mean())
    else:
        known["sd"] = float(first.std()) * math.sqrt(2)  # of a difference of two like it
    if not all(math.isfinite(value) and (value > 0 or what == "baseline") for what, value in known.items()):
        raise InvalidInput(
            "The answers do not differ, so they tell nothing of how much rows vary.",
            hint="Run more examples, or plan with `workbench.statistics.plan(sd=...)`.",
        )
    within = _within(scored, column) if repeats > 1 and "sd" in known else None
    size, icc = max((_alike(cells, each) for each in varied), key=lambda alike: alike[1])
    if within is not None and icc > 0:  # repeats average away what varies within an example, not what a group shares
        variance = known["sd"] ** 2
        icc *= variance / max(variance - 2 * within**2 * (1 - 1 / repeats), icc * variance)
    found = plan(
        mde=mde,
        power=power,
        alpha=alpha,
        candidates=max(1, len(candidates) - 1),
        repeats=repeats,
        within_sd=within,
        cluster_size=size,
        icc=icc,
        usd_per_call=usd,
        **known,
    )
    if not is_grouped(cells):
        return found
    alike = f"{GROUP}s of {size:.3g} examples with an intraclass correlation of {icc:.2g}, as in this experiment"
    unknown = f"examples are independent: this experiment does not tell how alike those of one {GROUP} are"
    return replace(found, assumed=(*found.assumed, alike if size > 1 else unknown))


def _alike(cells: pd.DataFrame, values: pd.Series[float]) -> tuple[float, float]:
    """Return the size of the group that an example is in, on average, and how alike values of one group are."""
    clusters = clusters_of(cells, values.index)
    if clusters is None:
        return 1.0, 0.0
    codes = cluster_codes(clusters, len(clusters))
    return float(np.bincount(codes)[codes].mean()), intraclass(np.asarray(values, dtype=np.float64), codes)


def _within(scored: pd.DataFrame, column: str) -> float | None:
    """Return the standard deviation from repeat to repeat of one cell; None where none was repeated, or none varied."""
    spread = scored.groupby(["candidate", "example_id"])[column].var().dropna()
    return float(np.sqrt(spread.mean())) or None if len(spread) else None
