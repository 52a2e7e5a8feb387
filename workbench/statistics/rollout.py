"""Two arms of a rollout, compared while it runs: advance, roll back, or go on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.confidence_sequence import ConfidenceSequence
from workbench.statistics.intervals import Scores, as_floats, check_bounds

Step = Literal["advance", "roll back", "go on"]


@dataclass(frozen=True, slots=True)
class RolloutComparison:
    """What the outcomes of two arms say so far."""

    decision: Step
    """`advance`, `roll back`, or `go on` collecting."""
    difference: float
    """Mean outcome of the candidate minus that of the baseline; NaN without outcomes of both."""
    low: float
    """Lower end of its always-valid interval."""
    high: float
    """Upper end."""
    candidate_mean: float
    """Mean outcome of the candidate; NaN without one."""
    candidate_n: int
    """Outcomes of the candidate."""
    baseline_mean: float
    """Mean outcome of the baseline; NaN without one."""
    baseline_n: int
    """Outcomes of the baseline."""
    blocks: int
    """Blocks of one candidate's outcome and its share of the baseline's, which the interval stands on."""
    margin: float
    """What counts as not worse."""
    alpha: float
    """Chance that the interval is ever wrong."""
    method: str = "betting sequence over blocks"
    """Name of the method."""
    unit: str = "outcome"
    """What is taken as independent."""

    def __str__(self) -> str:
        return (
            f"{self.decision}: {self.candidate_mean:.3g} (n={self.candidate_n}) against {self.baseline_mean:.3g} "
            f"(n={self.baseline_n}), difference {self.difference:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"
        )


def compare_rates_anytime(
    candidate: Scores,
    baseline: Scores,
    *,
    weight: float = 0.1,
    margin: float = 0.0,
    alpha: float = 0.05,
    bounds: tuple[float, float] = (0.0, 1.0),
    less_is_better: bool = False,
    unit: str = "outcome",
) -> RolloutComparison:
    """Compare the outcomes of a rollout's two arms, each in the order they came, at any time and as often as wished.

    `weight` is the candidate's planned share of the traffic; keep it the same from look to look, and begin anew when
    the rollout moves on. Each outcome of the candidate is set against the mean of the next (1 - weight) / weight of
    the baseline (the other way round above one half); such a block has the difference as its mean, whatever the
    outcomes are, and blocks are watched by a `ConfidenceSequence`. Outcomes are thumbs (0, 1) or grades within
    `bounds`; those of one user are not independent, so pass one number a user. A habit to answer in one arm only is
    not corrected.

    The decision is `advance` when the interval lies above `-margin`, `roll back` when it lies below 0 and not above
    `-margin`, else `go on`. With a margin of 0 two arms that are alike go on for ever: name the loss that would not
    matter. Both wrong decisions together have a chance of at most `alpha` over the whole rollout, each of at most half.

    Raises InvalidInput for a weight outside (0, 1), a negative margin, or outcomes outside the bounds.
    """
    if not 0 < weight < 1:
        raise InvalidInput(f"A candidate's weight lies between 0 and 1, not at {weight!r}.", param="weight")
    if not margin >= 0:
        raise InvalidInput(f"A margin is 0 or more, not {margin!r}.", param="margin")
    ours, theirs = _outcomes(candidate, bounds), _outcomes(baseline, bounds)
    width = bounds[1] - bounds[0]
    sequence = ConfidenceSequence((-width, width), alpha=alpha, unit=unit)
    sequence.observe(_blocks(ours, theirs, weight))
    interval = sequence.interval
    gain = (-interval.high, -interval.low) if less_is_better else (interval.low, interval.high)
    # The ends are means that were ruled out themselves, so an end at the bar lies beyond it.
    advance = interval.n > 0 and (gain[0] >= 0 if margin == 0 else gain[0] >= -margin)
    step: Step = "advance" if advance else "roll back" if gain[1] <= 0 else "go on"
    our_mean, their_mean = (float(each.mean()) if len(each) else math.nan for each in (ours, theirs))
    return RolloutComparison(
        decision=step,
        difference=our_mean - their_mean,
        low=interval.low,
        high=interval.high,
        candidate_mean=our_mean,
        candidate_n=len(ours),
        baseline_mean=their_mean,
        baseline_n=len(theirs),
        blocks=interval.n,
        margin=margin,
        alpha=alpha,
        unit=unit,
    )


def _outcomes(values: Scores, bounds: tuple[float, float]) -> NDArray[np.float64]:
    found = as_floats(values)
    kept = found[~np.isnan(found)]
    check_bounds(kept, bounds)
    return kept


def _blocks(ours: NDArray[np.float64], theirs: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the difference of each complete block, in order; sizes follow from the weight alone."""
    if weight > 0.5:
        return -_blocks(theirs, ours, 1 - weight)
    ratio = (1 - weight) / weight
    ends = np.floor(np.arange(1, len(ours) + 1) * ratio + 1e-9).astype(np.intp)
    whole = int(np.searchsorted(ends, len(theirs), side="right"))
    if whole == 0:
        return np.empty(0)
    starts = np.concatenate([[0], ends[: whole - 1]])
    sums = np.add.reduceat(theirs[: ends[whole - 1]], starts)
    return np.asarray(ours[:whole] - sums / (ends[:whole] - starts), dtype=np.float64)
