"""McNemar's exact test: two candidates that are right or wrong on the same examples."""

from __future__ import annotations

import math

from workbench.errors import InvalidInput
from workbench.statistics.difference import Difference, paired_difference
from workbench.statistics.intervals import Scores
from workbench.statistics.pairs import complete_pairs


def mcnemar(a: Scores, b: Scores, *, confidence: float = 0.95, bounds: tuple[float, float] = (0.0, 1.0)) -> Difference:
    """Compare two candidates by binary scores: McNemar's exact p value with the interval of Bonett & Price.

    Only examples on which they differ tell of them: the p value is the binomial one (McNemar 1947, Psychometrika
    12:153), two-sided, which is conservative with few discordant pairs; `paired_difference` gives mid-p, which is
    less so. Raises InvalidInput if a score is neither bound, or as `paired_difference` does.
    """
    pairs = complete_pairs(a, b, bounds=bounds)
    if not pairs.binary:
        raise InvalidInput(
            f"McNemar's test takes scores of {bounds[0]:g} and {bounds[1]:g} alone.",
            hint="Graded scores are compared by `paired_difference` or `wilcoxon`.",
        )
    found = paired_difference(a, b, confidence=confidence, bounds=bounds)
    won, lost = int((pairs.differences > 0).sum()), int((pairs.differences < 0).sum())
    return Difference(
        mean=found.mean,
        low=found.low,
        high=found.high,
        n=found.n,
        p_value=exact_binomial(won, lost),
        method="Bonett-Price, McNemar exact",
        confidence=confidence,
        excluded=found.excluded,
    )


def exact_binomial(won: int, lost: int) -> float:
    """Return the two-sided binomial p value that `won` and `lost` are as likely; 1.0 without either."""
    trials, fewer = won + lost, min(won, lost)
    tail = sum(math.comb(trials, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**trials))
