"""One figure for an answer: the mean over the scorers, each on its own range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.evidence import Scorer
from workbench.experiments.results.comparison import difference_of
from workbench.experiments.results.experiment import Experiment
from workbench.experiments.results.frame import per_example
from workbench.statistics import Difference


def check_bounded(scorers: Sequence[Scorer]) -> None:
    """Make sure that there are scorers that can be averaged; raises InvalidInput."""
    if not scorers:
        raise InvalidInput("Without a scorer nothing is better than anything else.", param="scorers")
    for scorer in scorers:
        if scorer.bounds is None:
            raise InvalidInput(
                f"The scorer {scorer.name!r} has no bounds, so it can't be averaged with others.",
                hint="Use a scorer with bounds, or give it some: scorer(function, bounds=(0, 1)).",
                param="scorers",
            )


def overall(
    experiment: Experiment, candidate: str, examples: Sequence[str], scorers: Sequence[Scorer]
) -> NDArray[np.float64]:
    """Return the mean over the scorers by example id, from 0 (worst) to 1 (best); NaN where any is missing."""
    total = np.zeros(len(examples))
    for scorer in scorers:
        low, high = scorer.bounds or (0.0, 1.0)
        values = per_example(experiment.cells, f"score.{scorer.name}", candidate).reindex(list(examples))
        share = (values.to_numpy(dtype=np.float64) - low) / (high - low)
        total += 1 - share if scorer.less_is_better else share
    return total / len(scorers)


def compared(
    experiment: Experiment,
    a: str,
    b: str,
    examples: Sequence[str],
    scorers: Sequence[Scorer],
    *,
    confidence: float = 0.95,
) -> Difference:
    """Return candidate `a` less `b`, by the mean over the scorers; examples of one group are one cluster."""
    sides = {side: overall(experiment, name, examples, scorers) for side, name in (("a", a), ("b", b))}
    pair = pd.DataFrame(sides, index=pd.Index(list(examples)))
    return difference_of(experiment.cells, pair, (0.0, 1.0), confidence)
