"""Whether a candidate is not worse than another by more than a margin that was fixed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import InvalidInput
from workbench.statistics.clusters import Labels
from workbench.statistics.difference import Difference, paired_difference
from workbench.statistics.intervals import Scores


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """A paired difference held against a margin."""

    difference: Difference
    """The difference `a - b` with its interval."""
    margin: float
    """What counts as not worse, in units of the score."""

    @property
    def passed(self) -> bool:
        """Whether the whole interval lies above `-margin`."""
        return self.difference.low > -self.margin

    @property
    def verdict(self) -> Literal["better", "not worse", "worse", "not shown"]:
        """`better` and `not worse` passed; `worse` lies surely below `-margin`; else it was not shown."""
        if self.passed:
            return "better" if self.difference.verdict == "better" else "not worse"
        return "worse" if self.difference.high < -self.margin else "not shown"

    def __str__(self) -> str:
        return f"{self.verdict} by a margin of {self.margin:g}: {self.difference}"


def non_inferior(
    a: Scores,
    b: Scores,
    *,
    margin: float,
    confidence: float = 0.95,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    clusters: Labels | None = None,
    unit: str | None = None,
    seed: int = 0,
) -> NonInferiority:
    """Hold the difference of two candidates against `-margin`; `a` is the one that must not be worse.

    The rule of ICH E9 (1998, section 3.3.2) and E10: the lower end of the two-sided interval of `paired_difference`
    must lie above `-margin`, a one-sided test at half of 1 - confidence. Fix the margin before looking. Where less is
    better (cost, latency) swap the two. Raises InvalidInput if the margin is not above 0, or as `paired_difference`.
    """
    if not margin > 0:
        raise InvalidInput(
            f"A margin is above 0, not {margin!r}.",
            hint="It is the largest loss that would not matter, in units of the score, for example 0.02.",
            param="margin",
        )
    found = paired_difference(a, b, confidence=confidence, bounds=bounds, clusters=clusters, unit=unit, seed=seed)
    return NonInferiority(found, margin)
