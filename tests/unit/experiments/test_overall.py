import dataclasses

import numpy as np
import pandas as pd
import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Scorer
from workbench.experiments import Experiment
from workbench.experiments.results.overall import check_bounded, compared, overall


def scorer(name, bounds=(0.0, 1.0), **more):
    return dataclasses.replace(Scorer(name, lambda output, example: None), bounds=bounds, **more)


def test_scorers_count_alike_each_on_its_range_and_in_its_direction():
    cells = pd.DataFrame(
        {
            "candidate": ["c"] * 3 + ["d"],
            "example_id": ["a", "a", "b", "a"],
            "score.good": [1.0, 0.5, 0.0, 0.0],
            "score.stars": [5.0, 3.0, np.nan, 1.0],
            "score.harm": [0.0, 0.0, 1.0, 1.0],
        }
    )
    found = Experiment("e", "n", "d", "h", (), {}, cells)
    scorers = [scorer("good"), scorer("stars", (1.0, 5.0)), scorer("harm", less_is_better=True)]
    values = overall(found, "c", ["a", "b", "gone"], scorers)
    assert values[0] == pytest.approx((0.75 + 0.75 + 1.0) / 3)
    assert np.isnan(values[1:]).all()


def grouped(groups, draft):
    """An experiment on examples in groups; the draft's scores against a prompt that never gets one right."""
    examples = [f"e{i}" for i in range(len(groups))]
    cells = pd.DataFrame(
        {
            "candidate": ["draft"] * len(groups) + ["before"] * len(groups),
            "example_id": examples * 2,
            "group": groups * 2,
            "score.good": [*draft, *[0.0] * len(groups)],
        }
    )
    return compared(Experiment("e", "n", "d", "h", (), {}, cells), "draft", "before", examples, [scorer("good")])


def test_candidates_are_compared_by_groups():
    found = grouped(["a", "a", "b", "b", "c", "c"], [1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert (found.mean, found.n, found.unit, found.clusters) == (0.5, 6, "group", 3)


def test_what_failed_is_left_out_before_groups_are_counted():
    found = grouped(["a", "a", "a", "b"], [1.0, 1.0, 0.0, np.nan])
    assert (found.n, found.excluded, found.unit) == (3, 1, "example")
    assert grouped(["a", "b"], [np.nan, np.nan]).n == 0


def test_what_can_not_be_averaged_is_refused():
    with pytest.raises(InvalidInput, match="Without a scorer"):
        check_bounded([])
    with pytest.raises(InvalidInput, match="'free' has no bounds"):
        check_bounded([scorer("free", None)])
