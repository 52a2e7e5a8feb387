"""Leaderboards from votes: against statsmodels, against brute force, and against raters who agree with themselves."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import Vote, bradley_terry, student_t_quantile
from workbench.statistics.fragility import votes_to_flip
from workbench.statistics.ranking import _covariance
from workbench.statistics.vote_design import VoteDesign, design_of

# 120 votes on x-y, y-z, x-z in turn: the outcome and who stood left, of each.
_SAID = (
    "ab ta ab ab ab ba aa ba ba ba ab bb ab ab aa ab ba ab aa bb ab ba ab bb ba ba tb ba ta ab tb ab ab ab ba aa ab bb "
    "ba aa bb ba ta ab aa tb bb tb bb ab ab aa tb aa aa ta bb ab bb ab aa bb ba bb aa ab ab ba ab ab ab bb ab ta aa aa "
    "aa ba ba bb ta bb ta ab ab aa aa bb aa ab bb aa ba aa ab ab ab ab aa aa tb ab bb ta ab bb aa bb ba ta aa ab ta aa "
    "aa ab ab ab aa bb"
)
OUTCOMES = [_SAID[at : at + 2] for at in range(0, len(_SAID), 3)]


def votes_of_ten_raters():
    words = {"a": "a", "b": "b", "t": "tie"}
    return [
        Vote(*["xy", "yz", "xz"][i % 3], outcome=words[each[0]], rater=f"r{i % 10}", left=each[1])
        for i, each in enumerate(OUTCOMES)
    ]


def votes(a_wins, b_wins, ties=0, names=("a", "b"), **options):
    outcomes = ["a"] * a_wins + ["b"] * b_wins + ["tie"] * ties
    return [Vote(*names, outcome, **{"rater": f"r{i}", **options}) for i, outcome in enumerate(outcomes)]


def test_strengths_and_the_side_are_those_of_statsmodels():
    # statsmodels 0.15: GLM(won, [x, y, side], Binomial()).fit(): x - z, y - z and the left side.
    found = bradley_terry(votes_of_ten_raters(), ridge=1e-9)
    strengths = {each.name: each.strength for each in found.rated}
    assert strengths["x"] - strengths["z"] == pytest.approx(0.64931588, abs=1e-6)
    assert strengths["y"] - strengths["z"] == pytest.approx(0.20694547, abs=1e-6)
    assert found.left_bias.mean == pytest.approx(-0.15551933, abs=1e-6)
    assert sum(strengths.values()) == pytest.approx(0, abs=1e-9)
    assert (found.leader, found.n, found.clusters, found.unit) == ("x", 120, 10, "rater")


def test_the_covariance_is_that_of_leaving_out_each_rater():
    cast = votes_of_ten_raters()
    design = design_of(cast, ridge=1e-6)
    codes = np.arange(120) % 10
    covariance, degrees = _covariance(design, design.fit(), codes)
    left_out = np.array([design.without(np.flatnonzero(codes == rater)).fit() for rater in range(10)])
    off = left_out - left_out.mean(axis=0)
    assert degrees == 9
    assert np.sqrt(np.diag(covariance)) == pytest.approx(np.sqrt(np.diag(0.9 * off.T @ off)), rel=0.05)
    # statsmodels 0.15, cov_type="cluster", which corrects for few clusters by a factor: the error of x - z
    x_minus_z = np.array([1, 0, -1, 0])
    assert math.sqrt(x_minus_z @ covariance @ x_minus_z) == pytest.approx(0.31346158, rel=0.05)


def test_two_candidates_have_the_log_odds_of_their_wins_and_ties_are_half_wins():
    found = bradley_terry(votes(30, 14, 6), ridge=1e-9)
    assert found.rated[0].strength - found.rated[1].strength == pytest.approx(math.log(33 / 17), abs=1e-6)
    assert found.win_rate("a", "b").mean == pytest.approx(0.66, abs=1e-6)
    assert found.win_rate("b", "a").mean == pytest.approx(0.34, abs=1e-6)
    assert [(each.wins, each.ties, each.losses, each.n) for each in found.rated] == [(30, 6, 14, 50), (14, 6, 30, 50)]
    with pytest.raises(InvalidInput, match="Known: a, b"):
        found.win_rate("a", "c")


def simulated(random, raters, taste, lead=0.6, cast=300):
    rater = np.arange(cast) % raters
    side = random.choice([-1.0, 1.0], cast)
    own = lead + random.normal(0, taste, raters)[rater] + 0.3 * side
    won = (random.random(cast) < 1 / (1 + np.exp(-own))).astype(float)
    first, second = np.zeros(cast, dtype=np.intp), np.ones(cast, dtype=np.intp)
    return VoteDesign(("a", "b"), first, second, side, won, with_side=True, ridge=1e-3), rater


@pytest.mark.parametrize(("raters", "taste"), [(15, 0.0), (15, 1.0)])
def test_intervals_know_that_votes_of_one_rater_are_alike(raters, taste):
    truth = simulated(np.random.default_rng(0), 100_000, taste, cast=100_000)[0].fit()
    random, clustered, independent = np.random.default_rng(2), [], []
    for draw in range(150):
        design, rater = simulated(random, raters, taste)
        found = design.fit()
        for codes, covered in ((rater, clustered), (np.arange(300), independent))[
            : 2 if taste == 1.0 and draw < 60 else 1
        ]:
            covariance, degrees = _covariance(design, found, codes)
            half = student_t_quantile(0.975, degrees) * math.sqrt(covariance[0, 0])
            covered.append(abs(found[0] - truth[0]) <= half)
    assert 0.92 <= np.mean(clustered) <= 0.98
    if taste == 1.0:
        assert np.mean(independent) < 0.9


def test_a_habit_for_the_left_is_told_from_quality():
    random = np.random.default_rng(3)
    cast = []
    for i in range(600):
        left = "a" if random.random() < 0.8 else "b"
        wins = random.random() < 1 / (1 + math.exp(-0.9 if left == "a" else 0.9))
        cast.append(Vote("same", "other", "a" if wins else "b", rater=f"r{i % 60}", left=left))
    found = bradley_terry(cast)
    assert found.left_bias.low < 0.9 < found.left_bias.high
    assert found.left_bias.low > 0.5
    assert found.rated[0].low < 0 < found.rated[0].high
    blind = bradley_terry([Vote(v.a, v.b, v.outcome, v.rater) for v in cast])
    assert (blind.left_bias, blind.leader) == (None, "same")
    assert blind.rated[0].low > 0  # what the habit would have made of it


def test_sides_that_were_never_mixed_are_marked():
    found = bradley_terry(votes(12, 5, left="a"))
    assert found.left_bias is None
    assert any("sides were not mixed" in note for note in found.notes)
    assert found.win_rate("a", "b").mean == pytest.approx(12 / 17, abs=0.001)


def test_chances_of_the_best_add_up_and_repeat_themselves():
    found = bradley_terry(votes_of_ten_raters())
    assert sum(each.p_best for each in found.rated) == pytest.approx(1)
    assert found.rated[0].p_best > found.rated[1].p_best > found.rated[2].p_best
    assert found == bradley_terry(votes_of_ten_raters())
    assert found.rated[0].p_best != bradley_terry(votes_of_ten_raters(), seed=1).rated[0].p_best
    even = bradley_terry(votes(20, 20))
    assert even.rated[0].p_best == pytest.approx(0.5, abs=0.02)


def test_who_never_lost_has_a_finite_strength_and_a_wide_interval():
    found = bradley_terry(votes(10, 0))
    assert found.leader == "a"
    assert math.isfinite(found.rated[0].strength)
    assert 0 < found.rated[0].low < 0.7
    assert found.rated[0].high > 2
    assert 0.95 < found.rated[0].p_best < 1
    assert bradley_terry(votes(3, 0)).rated[0].low < 0  # three votes of three people show no lead
    assert any("never lost" in note for note in found.notes)


def test_groups_that_never_met_are_refused_by_name():
    with pytest.raises(InvalidInput, match=r"2 groups that never met: a, b; c, d\."):
        bradley_terry([*votes(3, 2), *votes(3, 2, names=("c", "d"))])


def test_one_rater_and_few_raters_are_marked():
    alone = bradley_terry([Vote("a", "b", "a", "me", item=f"q{i % 4}") for i in range(8)] + [Vote("a", "b", "b", "me")])
    assert alone.unit == "item"
    assert any("One rater" in note for note in alone.notes)
    assert bradley_terry(votes(5, 3, rater="me")).unit == "vote"
    assert any("Only 3 raters" in note for note in bradley_terry(votes(2, 1)).notes)
    single = bradley_terry(votes(1, 0))
    assert single.rated[0].high - single.rated[0].low > 10


def test_votes_without_a_rater_are_of_raters_of_their_own():
    cast = votes(5, 3, rater=None, item="q1") + votes(2, 1, rater=None, item="q2")
    found = bradley_terry(cast)
    assert (found.unit, found.clusters) == ("vote", 11)
    assert found.notes == ("No vote names its rater: each counts as that of another person.",)
    assert str(found).splitlines()[3].startswith("n=11 votes, 95% intervals")
    assert found.rated[0].low == bradley_terry([replace(v, rater=f"r{i}") for i, v in enumerate(cast)]).rated[0].low


def test_one_vote_is_counted_as_one():
    found = bradley_terry(votes(1, 0))
    assert (found.n, found.clusters) == (1, 1)
    assert "n=1 vote, 95% intervals" in str(found)
    assert found.win_rate("a", "b").clusters == 1


def changes(design, count, change, leader):
    """Return whether some `count` votes change the leader, by trying all of them."""
    for chosen in itertools.combinations(range(len(design.won)), count):
        strengths = change(design)(np.array(chosen)).fit()[: len(design.names)]
        if strengths.max() > strengths[leader] + 1e-9:
            return True
    return False


@pytest.mark.parametrize("seed", range(4))
def test_votes_to_flip_are_those_that_trying_every_choice_finds(seed):
    random = np.random.default_rng(seed)
    cast = [
        Vote(*["xy", "yz", "xz"][i % 3], outcome=str(random.choice(["a", "b", "tie"], p=[0.5, 0.3, 0.2])))
        for i in range(12)
    ]
    design = design_of(cast, ridge=1e-3)
    leader = int(np.argmax(design.fit()[:3]))
    found = votes_to_flip(design)
    for count, change in ((found.removed, lambda d: d.without), (found.flipped, lambda d: d.turned)):
        assert count is None or changes(design, count, change, leader)
        fewer = (count or 4) - 1
        assert fewer == 0 or not changes(design, min(fewer, 3), change, leader)


def test_votes_to_flip_of_two_candidates_are_counted():
    found = bradley_terry(votes(10, 6)).fragility
    assert (found.removed, found.flipped, found.rival) == (5, 3, "b")
    assert str(found) == "turning 3 or removing 5 of 16 votes puts b in front"
    assert bradley_terry(votes(10, 6), fragility=False).fragility is None


def test_the_table_is_shown_as_text_and_escaped_in_html():
    found = bradley_terry(votes(9, 4, names=("<b>new</b>", "old")))
    assert "n=13 votes of 13 raters, 95% intervals" in str(found)
    assert str(found).splitlines()[1].startswith("<b>new</b>")
    page = found._repr_html_()
    assert "&lt;b&gt;new" in page
    assert "<b>" not in page
    assert found.rows()[0]["candidate"] == "<b>new</b>"


def test_votes_that_are_none_are_refused():
    with pytest.raises(InvalidInput, match="no votes"):
        bradley_terry([])
    for options in ({"b": "a"}, {"outcome": "left"}, {"left": "x"}):
        with pytest.raises(InvalidInput):
            Vote(**{"a": "a", "b": "b", "outcome": "a", **options})
