"""A test of votes that may be looked at after every vote."""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from workbench.errors import InvalidInput
from workbench.statistics import PreferenceTest


def test_evidence_is_the_likelihood_under_the_prior_over_that_of_coin_tosses():
    prior = stats.beta(10, 10)
    mixture, _ = integrate.quad(lambda rate: prior.pdf(rate) * rate**13 * (1 - rate) ** 4, 0, 1)
    assert PreferenceTest(13, 4).e_value == pytest.approx(mixture * 2**17)


def evidence(wins, votes):
    """Return the e-value of an array of counts."""
    return np.exp(special.betaln(10 + wins, 10 + votes - wins) - special.betaln(10, 10) + votes * math.log(2))


def test_alike_candidates_are_told_apart_in_at_most_one_of_twenty_though_every_vote_is_looked_at():
    votes = np.arange(1, 2001)
    wins = np.cumsum(np.random.default_rng(8).random((1000, 2000)) < 0.5, axis=1)
    assert (evidence(wins, votes) >= 20).any(axis=1).mean() <= 0.05
    looks = wins[:, 9::10], votes[9::10]  # every tenth of the first 500 votes, at p < 0.05: what peeking costs else
    z = np.abs(2 * looks[0] - looks[1])[:, :50] / np.sqrt(looks[1][:50])
    assert (z > 1.96).any(axis=1).mean() > 0.2


def test_the_class_says_what_the_formula_says():
    random = np.random.default_rng(9)
    outcomes = ["a" if each else "b" for each in random.random(300) < 0.62]
    wins, votes = np.cumsum([each == "a" for each in outcomes]), np.arange(1, 301)
    crossed = evidence(wins, votes) >= 20
    test = PreferenceTest()
    seen = [test.observe([outcome]).verdict for outcome in outcomes]
    assert seen.index("a") == crossed.argmax()
    assert set(seen[crossed.argmax() :]) == {"a"}
    assert test.p_value == pytest.approx(1 / evidence(wins, votes).max())


def test_a_real_preference_is_found_near_the_planned_number_of_votes():
    wins = np.cumsum(np.random.default_rng(10).random((1000, 1000)) < 0.6, axis=1)
    crossed = evidence(wins, np.arange(1, 1001)) >= 20
    assert crossed.any(axis=1).mean() > 0.99
    assert np.median(crossed.argmax(axis=1)) < 1.15 * 194  # a test that looks once needs 194 for a power of 0.8


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
def test_the_interval_holds_the_win_rate_at_every_look(rate):
    wins = np.cumsum(np.random.default_rng(11).random((1000, 400)) < rate, axis=1)
    votes = np.arange(1, 401)
    likelihood = wins * math.log(rate) + (votes - wins) * math.log(1 - rate)
    against = special.betaln(10 + wins, 10 + votes - wins) - special.betaln(10, 10) - likelihood
    assert (against < math.log(20)).all(axis=1).mean() >= 0.95
    found = PreferenceTest(int(wins[0, -1]), 400 - int(wins[0, -1])).win_rate
    for end in (found.low, found.high):
        wins_, losses = int(wins[0, -1]), 400 - int(wins[0, -1])
        log_mixture = special.betaln(10 + wins_, 10 + losses) - special.betaln(10, 10)
        assert log_mixture - wins_ * math.log(end) - losses * math.log(1 - end) == pytest.approx(math.log(20), abs=1e-6)


def test_the_interval_and_the_verdict_agree():
    for wins in range(41):
        test = PreferenceTest(wins, 40 - wins)
        excludes = not test.win_rate.low <= 0.5 <= test.win_rate.high
        assert excludes == (test.verdict != "undecided") == (test.e_value >= 20)


def test_verdict_is_kept_and_ties_are_no_evidence():
    test = PreferenceTest(30, 2, 500)
    assert (test.verdict, test.n, test.ties) == ("a", 32, 500)
    assert test.add(losses=40).verdict == "a"
    assert PreferenceTest(2, 30).verdict == "b"
    assert PreferenceTest(ties=40).e_value == 1
    assert str(PreferenceTest(3, 2, 1)).startswith("undecided, go on: 3 : 2, 1 ties, win rate 0.60 [")


def test_no_votes_and_votes_of_one_kind_have_an_interval():
    assert (PreferenceTest().win_rate.low, PreferenceTest().win_rate.high) == (0, 1)
    assert PreferenceTest(12).win_rate.high == 1
    assert 0.4 < PreferenceTest(12).win_rate.low < 1


def test_strange_votes_are_refused():
    with pytest.raises(InvalidInput, match="'left'"):
        PreferenceTest().observe(["left"])
    with pytest.raises(InvalidInput, match="counted from 0"):
        PreferenceTest(wins=-1)
    with pytest.raises(InvalidInput, match="alpha"):
        PreferenceTest(alpha=5)
