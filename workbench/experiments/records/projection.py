"""What a candidate will cost in production, as its run lets expect: the mean of a call, its spread, and a volume."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput, NotFound
from workbench.experiments.records.recording import TABLE
from workbench.experiments.results.frame import GROUP, clusters_of, tidied
from workbench.statistics import mean_interval
from workbench.tracking import connect

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class CostProjection:
    """A month's cost at a volume, with its 95% interval."""

    run_id: str
    """MLflow's id of the run."""
    n: int
    """Number of examples behind it."""
    calls_per_day: float
    """The volume."""
    usd_per_call: float
    """Mean cost of a call."""
    projected_usd_per_month: float
    """What a month will cost."""
    low: float
    """Lower end."""
    high: float | None
    """Upper end; None: one example tells no spread."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the gateway takes it."""
        return asdict(self)


def project_cost(run_id: str, *, calls_per_day: float, tracker: Tracker | None = None) -> CostProjection:
    """Return what `calls_per_day` calls like those of a run will cost a month.

    Repeats of an example are averaged, since they are no new example, and examples of one group are one cluster; the
    interval is Student's, see `statistics.mean_interval`. It tells how far the examples vary, not how far they differ
    from production. Raises NotFound for a run that is not there or has no cells, InvalidInput where what a call has
    cost is not known.
    """
    tracker = tracker or connect()
    tracker.run(run_id)
    try:
        cells = tidied(tracker.table(run_id, TABLE))
    except NotFound as error:
        raise NotFound(
            f"Run {run_id} has no cells: it is no run of a workbench experiment.",
            hint="`workbench.experiments.recent()` lists those that are.",
        ) from error
    good = cells[cells["error"].isna()]
    unknown = int(good["cost_usd"].isna().sum())
    if unknown or good.empty:
        found = f"{unknown} of its {len(good)} answers have no known cost" if unknown else "it has no answer"
        raise InvalidInput(
            f"Run {run_id} tells no cost of a call: {found}.", hint="Give its model a price, and run it again."
        )
    costs = good.groupby("example_id")["cost_usd"].mean()
    clusters = clusters_of(good, costs.index)
    cost = mean_interval(costs.to_numpy(float), bounds=None, clusters=clusters, unit=GROUP if clusters else None)
    calls = calls_per_day * DAYS_A_MONTH
    return CostProjection(
        run_id=run_id,
        n=cost.n,
        calls_per_day=calls_per_day,
        usd_per_call=cost.mean,
        projected_usd_per_month=cost.mean * calls,
        low=max(0.0, cost.low) * calls,
        high=cost.high * calls if math.isfinite(cost.high) else None,
    )
