"""Holm's adjustment."""

import pytest

from workbench.statistics import holm


def test_adjusted_values_are_those_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_comparison_is_left_alone_and_none_exceeds_one():
    assert holm([0.04]) == [0.04]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
