import pytest

from workbench.errors import InvalidInput
from workbench.feedback import Pair, rate, vote
from workbench.feedback.pair import pair_id


def test_two_outputs_are_one_pair_whichever_stands_on_the_left():
    assert pair_id("tr-1", "tr-2") == pair_id("tr-2", "tr-1")
    assert pair_id("tr-1", "tr-2") != pair_id("tr-1", "tr-3")


def test_a_vote_must_be_one_of_four_words():
    with pytest.raises(InvalidInput, match="left, right, tie or both_bad"):
        vote(Pair(pair_id("a", "b"), "e", "a", "b"), "first", "ada")


def test_a_pair_that_was_put_together_by_hand_is_refused():
    with pytest.raises(InvalidInput, match="does not belong to its two traces"):
        vote(Pair("0" * 24, "e", "a", "b"), "left", "ada")


@pytest.mark.parametrize("who", [{}, {"rater": "ada", "rule": "exact"}])
def test_a_rating_is_a_persons_or_a_rules(who):
    with pytest.raises(InvalidInput, match="from a person or from a rule"):
        rate("tr-1", True, **who)


@pytest.mark.parametrize("value", [0, 6, 2.5, "good"])
def test_a_value_that_is_no_thumb_and_no_star_needs_a_name(value):
    with pytest.raises(InvalidInput, match="neither a thumb"):
        rate("tr-1", value, rater="ada")


def test_a_rating_says_something():
    with pytest.raises(InvalidInput, match="needs a value or a comment"):
        rate("tr-1", rater="ada")
