"""What people's votes make of one example."""

from datetime import UTC, datetime
from types import SimpleNamespace

from workbench.feedback.adjudication import Said, rule
from workbench.feedback.votes import Word


def said(outputs, *votes):
    """What was said: `(pair, value)`, each by a rater of its own; `better` is the first of the two."""
    words = [
        Word(pair[0], pair[1], pair[0], pair[1], "e0", f"rater {number}", value, "a", datetime(2026, 5, 4, tzinfo=UTC))
        for number, (pair, value) in enumerate(votes)
    ]
    return Said(traces={name: SimpleNamespace(outputs=output) for name, output in outputs.items()}, votes=words)


def test_one_vote_does_not_outdo_those_who_say_that_both_are_bad():
    outputs = {"A": "yes", "B": "no"}
    assert rule(said(outputs, ("AB", "better"), *[("AB", "both_bad")] * 4)) == "both answers are bad"
    ruling = rule(said(outputs, *[("AB", "better")] * 3, *[("AB", "both_bad")] * 2))
    assert (ruling.expected, len(ruling.raters), ruling.against) == ("yes", 3, 2)


def test_that_two_others_are_bad_says_nothing_of_the_best():
    outputs = {"A": "yes", "B": "no", "C": "perhaps"}
    votes = [("AB", "better"), ("AC", "better"), *[("BC", "both_bad")] * 4]
    assert rule(said(outputs, *votes)).expected == "yes"


def test_answers_that_differ_in_the_space_around_them_win_together():
    outputs = {"A": "yes", "B": "yes\n", "C": "no"}
    ruling = rule(said(outputs, ("AB", "better"), ("AC", "better"), ("BC", "better")))
    assert (ruling.expected, ruling.raters, ruling.against) == ("yes", ("rater 1", "rater 2"), 0)
    assert rule(said(outputs, ("AB", "tie"), ("AB", "worse"))) == "no answer has a majority of the votes"
