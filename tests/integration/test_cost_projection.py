"""What a run in MLflow lets expect of a month's cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import InvalidInput, NotFound
from workbench.experiments.records.projection import DAYS_A_MONTH, project_cost
from workbench.statistics import mean_interval
from workbench.tracking.run import RunRecord
from workbench.tracking.tracker import Tracker


def a_run(tracker: Tracker, *cells: tuple[str, float | None, str | None]) -> str:
    """Write a run of cells: example, cost, error."""
    table = pd.DataFrame(cells, columns=["example_id", "cost_usd", "error"])
    return tracker.write_run(RunRecord(experiment="projection", name="one", tables={"cells.json": table}))


def test_a_month_is_the_mean_of_the_examples_times_the_volume_with_students_interval(tracker: Tracker) -> None:
    costs = np.array([0.001, 0.0015, 0.002, 0.0042, 0.0011])
    cells: list[Any] = [
        (f"e{number}", cost + more, None) for number, cost in enumerate(costs) for more in (-2e-4, 2e-4)
    ]
    run_id = a_run(tracker, *cells, ("e9", None, "the provider failed"))
    found = project_cost(run_id, calls_per_day=1000, tracker=tracker)
    assert (found.run_id, found.n) == (run_id, 5)
    a_month = 1000 * DAYS_A_MONTH
    assert found.projected_usd_per_month == pytest.approx(costs.mean() * a_month)
    assert found.high is not None
    # The pair that `mean_interval` adds to few scores, and the quantile of another library.
    wider = np.append(costs, costs.mean() + np.abs(costs - costs.mean()).max() * np.array([-1, 1]))
    half = stats.t.ppf(0.975, len(costs) - 1) * np.sqrt(wider.var() / len(wider))
    assert found.high == pytest.approx((costs.mean() + half) * a_month)
    assert found.low == pytest.approx(max(0, costs.mean() - half) * a_month)


def test_examples_of_one_group_are_one_cluster(tracker: Tracker) -> None:
    costs, groups = [0.001, 0.0011, 0.004, 0.0042], ["a", "a", "b", "b"]
    table = pd.DataFrame({"example_id": list("wxyz"), "group": groups, "cost_usd": costs, "error": [None] * 4})
    run_id = tracker.write_run(RunRecord(experiment="projection", name="one", tables={"cells.json": table}))
    found = project_cost(run_id, calls_per_day=1, tracker=tracker)
    assert found.high is not None
    expected = mean_interval(costs, bounds=None, clusters=groups)
    assert found.high == pytest.approx(expected.high * DAYS_A_MONTH)
    assert found.n == 4


def test_one_example_tells_a_mean_and_no_upper_end(tracker: Tracker) -> None:
    found = project_cost(a_run(tracker, ("e", 0.5, None), ("e", 0.7, None)), calls_per_day=1, tracker=tracker)
    assert (found.n, found.usd_per_call, found.low, found.high) == (1, pytest.approx(0.6), 0.0, None)


def test_models_that_cost_nothing_cost_nothing_a_month(tracker: Tracker) -> None:
    found = project_cost(a_run(tracker, ("a", 0.0, None), ("b", 0.0, None)), calls_per_day=9, tracker=tracker)
    assert (found.projected_usd_per_month, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_run_that_does_not_tell_its_cost_is_refused(tracker: Tracker) -> None:
    for cells, told in (
        ([("a", 0.1, None), ("b", None, None)], "1 of its 2 answers have no known cost"),
        ([("a", None, "failed")], "it has no answer"),
    ):
        with pytest.raises(InvalidInput, match=told):
            project_cost(a_run(tracker, *cells), calls_per_day=1, tracker=tracker)
    bare = tracker.write_run(RunRecord(experiment="projection", name="bare"))
    with pytest.raises(NotFound, match="has no cells"):
        project_cost(bare, calls_per_day=1, tracker=tracker)
    with pytest.raises(NotFound):
        project_cost("0" * 32, calls_per_day=1, tracker=tracker)
