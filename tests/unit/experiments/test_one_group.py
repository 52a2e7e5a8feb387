"""Examples that all share one group: figures stand, and say that their unit is the example."""

import pandas as pd

from workbench.experiments.results.comparison import difference_of
from workbench.experiments.results.frame import clusters_of


def cells(groups):
    return pd.DataFrame({"example_id": [f"e{i}" for i in range(len(groups))], "group": groups})


def pair(a, b):
    return pd.DataFrame({"a": a, "b": b}, index=pd.Index([f"e{i}" for i in range(len(a))], name="example_id"))


def test_one_group_is_no_cluster_and_two_are():
    examples = pd.Index(["e0", "e1", "e2"])
    assert clusters_of(cells(["shop", "shop", "shop"]), examples) is None
    assert clusters_of(cells(["shop", "shop", None]), examples) == ["group shop", "group shop", "example e2"]


def test_candidates_are_compared_though_what_both_answered_is_of_one_group():
    scores = pair([0.9, 0.7, 0.8, 0.6], [0.5, 0.6, 0.7, None])
    found = difference_of(cells(["shop", "shop", "shop", "other"]), scores, (0.0, 1.0), 0.95)
    assert (found.n, found.excluded, found.unit, found.clusters) == (3, 1, "example", None)
    whole = difference_of(cells(["shop", "shop", "other", "other"]), scores.fillna(0.5), (0.0, 1.0), 0.95)
    assert (whole.n, whole.unit, whole.clusters) == (4, "group", 2)
