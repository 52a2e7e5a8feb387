"""Not worse by more than a margin."""

import numpy as np
import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import non_inferior, paired_difference


def scores(shift, n=200, seed=1):
    random = np.random.default_rng(seed)
    base = random.uniform(0.3, 0.7, n)
    return base + random.normal(shift, 0.05, n), base


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.1, "better"), (0.0, "not worse"), (-0.02, "not shown"), (-0.1, "worse")]
)
def test_verdict_follows_the_interval_and_the_margin(shift, verdict):
    found = non_inferior(*scores(shift), margin=0.02)
    assert found.verdict == verdict
    assert found.passed == (verdict in ("better", "not worse"))
    assert found.difference == paired_difference(*scores(shift))
    assert str(found).startswith(f"{verdict} by a margin of 0.02: ")


@pytest.mark.parametrize("discordant", [0.1, 0.2, 0.4])
def test_a_candidate_that_is_worse_by_the_margin_passes_in_one_case_of_forty_over_every_outcome(discordant):
    n, margin, chance = 60, 0.05, 0.0
    for won in range(n + 1):
        for lost in range(n + 1 - won):
            here = stats.multinomial.pmf(
                [won, lost, n - won - lost], n, [(discordant - margin) / 2, (discordant + margin) / 2, 1 - discordant]
            )
            if here > 1e-7:
                a, b = [1] * won + [0] * (n - won), [0] * won + [1] * lost + [0] * (n - won - lost)
                chance += here * non_inferior(np.array(a), np.array(b), margin=margin).passed
    assert chance <= 0.027


@pytest.mark.parametrize("margin", [0, -0.1, float("nan")])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(InvalidInput, match="above 0"):
        non_inferior([1, 0], [0, 1], margin=margin)
