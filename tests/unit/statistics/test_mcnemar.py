"""McNemar's exact test."""

import pytest
from scipy import stats

from workbench.errors import InvalidInput
from workbench.statistics import mcnemar, paired_difference


def pairs(won, lost, tied):
    return [1] * won + [0] * lost + [1] * tied, [0] * won + [1] * lost + [1] * tied


@pytest.mark.parametrize(("won", "lost"), [(5, 0), (12, 5), (3, 3), (0, 1), (40, 20), (400, 330)])
def test_p_value_is_the_binomial_one(won, lost):
    expected = stats.binomtest(won, won + lost).pvalue
    assert mcnemar(*pairs(won, lost, 9)).p_value == pytest.approx(expected)


def test_statsmodels_table_has_its_p_value():
    # statsmodels 0.15: mcnemar([[30, 12], [5, 40]], exact=True).pvalue
    assert mcnemar(*pairs(12, 5, 70)).p_value == pytest.approx(0.143463134765625, abs=1e-12)


def test_interval_is_that_of_bonett_and_price():
    found, other = mcnemar(*pairs(7, 1, 12)), paired_difference(*pairs(7, 1, 12))
    assert (found.low, found.high, found.mean, found.n) == (other.low, other.high, other.mean, 20)
    assert found.method == "Bonett-Price, McNemar exact"
    assert found.p_value > other.p_value  # the exact test is the more conservative of the two


def test_candidates_that_never_differ_have_p_1():
    assert mcnemar(*pairs(0, 0, 9)).p_value == 1


def test_graded_scores_are_refused_with_the_way_out():
    with pytest.raises(InvalidInput, match="`wilcoxon`"):
        mcnemar([0.5, 1, 0], [1, 1, 0])
