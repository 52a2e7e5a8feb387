"""Holm's adjustment."""

import pytest

from workbench.errors import InvalidInput
from workbench.statistics import holm


def test_adjusted_values_are_those_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_comparison_is_left_alone_and_none_exceeds_one():
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_adjusted_values_are_those_of_statsmodels():
    # statsmodels 0.15: multipletests([0.01, 0.04, 0.03, 0.005, 0.2], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])


def test_what_is_no_p_value_is_refused():
    for strange in (float("nan"), -0.1, 5):
        with pytest.raises(InvalidInput, match="p value"):
            holm([0.01, strange])
