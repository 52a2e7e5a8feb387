"""Repeats of an example: averaged, and how steady they are."""

import itertools
import math

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import average_repeats, repeats


def test_repeats_are_averaged_to_one_score_an_item():
    means, items = average_repeats([1, 0.5, None, 0, math.nan], ["q1", "q2", "q1", "q1", "q3"])
    assert items == ["q1", "q2", "q3"]
    assert means[:2].tolist() == [0.5, 0.5]
    assert math.isnan(means[2])
    with pytest.raises(InvalidInput, match="2 scores and 1 items"):
        average_repeats([1, 0], ["q1"])


def test_estimates_are_the_shares_over_every_choice_of_answers():
    answers = [[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]]
    found = repeats(answers, k=3)
    draws = [list(itertools.combinations(each, 3)) for each in answers]
    assert found.pass_hat_k.mean == pytest.approx(np.mean([np.mean([all(d) for d in each]) for each in draws]))
    assert found.pass_at_k.mean == pytest.approx(np.mean([np.mean([any(d) for d in each]) for each in draws]))
    pairs = [list(itertools.combinations(each, 2)) for each in answers]
    assert found.flip_rate.mean == pytest.approx(np.mean([np.mean([x != y for x, y in each]) for each in pairs]))
    assert found.pass_at_1.mean == pytest.approx(8 / 12)
    assert found.pass_at_1.n == 3


def test_within_sd_is_that_of_one_answer_around_its_example():
    random = np.random.default_rng(1)
    chances = random.beta(4, 2, 3000)
    found = repeats((random.random((5, 3000)) < chances).T.astype(float), k=2)
    assert found.within_sd == pytest.approx(math.sqrt((chances * (1 - chances)).mean()), abs=0.01)
    assert found.pass_hat_k.low <= (chances**2).mean() <= found.pass_hat_k.high


def test_examples_with_too_few_answers_are_counted_and_their_labels_left_out():
    found = repeats(
        [[1, 1], [1, None], [0, 1], [0, 0], [1, 0]], k=2, clusters=["a", "a", "b", "b", "c"], unit="document"
    )
    assert (found.excluded, found.pass_at_1.n, found.pass_at_1.clusters) == (1, 4, 3)
    assert "of 3 documents" in str(found)
    assert "pass^2" in str(found)
    assert "<td>pass^2</td>" in found._repr_html_()


def test_answers_that_are_no_passes_are_refused():
    for outcomes, k, words in [
        ([[0.5, 1]], 1, "right \\(1\\) or wrong \\(0\\)"),
        ([[1, 1]], 0, "k is at least 1"),
        ([[1], [0]], 1, "No example has 2"),
        ([], 2, "No example has 2"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            repeats(outcomes, k=k)
    with pytest.raises(InvalidInput, match="1 for 2"):
        repeats([[1, 1], [0, 1]], k=1, clusters=["a"])
