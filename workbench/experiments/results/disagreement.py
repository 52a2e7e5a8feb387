"""Examples worth a look: where candidates differ most, and where scorers say different things of one answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.experiments.results.run_info import Bounds

COLUMNS = ["example_id", "spread", "metric", "best", "worst", "scorer_spread", "scorer_candidate", "outputs"]


def disagreements(
    cells: pd.DataFrame,
    candidates: Sequence[str],
    scorers: Mapping[str, Bounds],
    *,
    less_is_better: Collection[str] = (),
) -> pd.DataFrame:
    """Return one row an example on which something differs; see `Experiment.disagreements`."""
    answered = cells[cells["error"].isna()]
    outputs = answered.groupby("example_id", sort=False)["output"].agg(lambda said: len({repr(each) for each in said}))
    examples, names = list(outputs.index), list(scorers)
    shares = {
        name: column.unstack("candidate").reindex(index=examples, columns=list(candidates)).to_numpy(dtype=np.float64)
        for name, column in _scaled(cells, scorers, less_is_better).items()
    }
    spreads = np.column_stack([np.zeros(len(examples)), *(_reach(share, axis=1) for share in shares.values())])
    widest = spreads.argmax(axis=1)
    bounded = [share for name, share in shares.items() if scorers[name] is not None]
    between = _reach(np.stack(bounded), axis=0) if len(bounded) > 1 else np.zeros((len(examples), len(candidates)))
    rows = []
    for place, example in enumerate(examples):
        chosen = names[widest[place] - 1] if widest[place] else None
        share = shares[chosen][place] if chosen else None
        whose = int(between[place].argmax())
        rows.append(
            {
                "example_id": example,
                "spread": float(spreads[place, widest[place]]),
                "metric": chosen,
                "best": candidates[int(np.nanargmax(share))] if share is not None else None,
                "worst": candidates[int(np.nanargmin(share))] if share is not None else None,
                "scorer_spread": float(between[place, whose]),
                "scorer_candidate": candidates[whose] if between[place, whose] > 0 else None,
                "outputs": int(outputs.iloc[place]),
            }
        )
    found = pd.DataFrame(rows, columns=COLUMNS)
    differs = (found["spread"] > 0) | (found["scorer_spread"] > 0) if scorers else found["outputs"] > 1
    order = ["spread", "scorer_spread", "outputs"]
    return found[differs].sort_values(order, ascending=False, kind="stable").reset_index(drop=True)


def _reach(values: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Return the distance from the least to the greatest, whatever is missing; 0 where nothing is there."""
    least, most = np.where(np.isnan(values), np.inf, values), np.where(np.isnan(values), -np.inf, values)
    reach: NDArray[np.float64] = np.maximum(0.0, most.max(axis=axis) - least.min(axis=axis))
    return reach


def _scaled(
    cells: pd.DataFrame, scorers: Mapping[str, Bounds], less_is_better: Collection[str]
) -> dict[str, pd.Series[float]]:
    """Return each scorer's mean by example and candidate, from 0 (worst) to 1 (best) of what there can be.

    A scorer without bounds is measured by the range that was seen.
    """
    made = {}
    means = cells.groupby(["example_id", "candidate"], sort=False)
    for name, bounds in scorers.items():
        column = means[f"score.{name}"].mean()
        low, high = bounds or (column.min(), column.max())
        share = (column - low) / (high - low) if high > low else column * 0.0
        made[name] = 1 - share if name in less_is_better else share
    return made
