"""Plans against published numbers, and against the power that experiments of that size have."""

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import mcnemar, plan


@pytest.mark.parametrize(
    ("discordant", "rows"),
    [(0.1, {0.03: 870, 0.05: 312, 0.1: 77}), (0.2, {0.03: 1742, 0.05: 626, 0.1: 155}), (0.3, {0.05: 940, 0.1: 234})],
)
def test_binary_pairs_need_what_connors_formula_says(discordant, rows):
    # Connor 1987, computed independently: n rises to the next whole number.
    for mde, expected in rows.items():
        assert abs(plan(mde=mde, discordant=discordant).rows - expected) <= 1


@pytest.mark.parametrize(("win_rate", "votes"), [(0.52, 4904), (0.55, 783), (0.6, 194), (0.65, 85), (0.7, 47)])
def test_preference_votes_are_those_of_the_binomial_formula(win_rate, votes):
    assert plan(mde=win_rate - 0.5, ties=0).rows == votes
    with_ties = plan(mde=win_rate - 0.5, ties=0.5)
    assert abs(with_ties.rows - 2 * votes) <= 1
    assert with_ties.calls == 2 * with_ties.rows


@pytest.mark.parametrize(
    ("effect", "power", "expected"), [(0.5, 0.8, 33.37), (0.1, 0.8, 786.81), (0.2, 0.9, 264.61), (1.0, 0.8, 9.94)]
)
def test_graded_pairs_need_what_statsmodels_says(effect, power, expected):
    # statsmodels 0.15: TTestPower().solve_power(effect_size, power=power, alpha=0.05)
    assert abs(plan(mde=effect, sd=1.0, power=power).rows - np.ceil(expected)) <= 1


@pytest.mark.parametrize("discordant", [0.2, 0.4])
def test_an_experiment_of_the_planned_size_finds_the_difference_as_often_as_planned(discordant):
    mde = 0.12
    rows = plan(mde=mde, discordant=discordant).rows
    draws = np.random.default_rng(2).random((400, rows))
    won, lost = draws < (discordant + mde) / 2, draws > 1 - (discordant - mde) / 2
    found = [mcnemar(w.astype(float), x.astype(float)).p_value < 0.05 for w, x in zip(won, lost, strict=True)]
    assert 0.72 <= np.mean(found) <= 0.87  # the exact test is a little conservative


def test_repeats_save_the_rows_that_an_experiment_with_repeats_needs():
    between, within, mde = 0.15, 0.2, 0.08
    sd = np.sqrt(between**2 + 2 * within**2)
    once, thrice = (plan(mde=mde, sd=sd, within_sd=within, repeats=k) for k in (1, 3))
    assert once.rows == plan(mde=mde, sd=sd).rows
    assert thrice.rows == plan(mde=mde, sd=np.sqrt(between**2 + 2 * within**2 / 3)).rows < once.rows < thrice.calls / 2
    random = np.random.default_rng(3)
    found = 0
    for _ in range(300):
        gains = random.normal(mde, between, thrice.rows) + random.normal(0, within * np.sqrt(2 / 3), thrice.rows)
        low = gains.mean() - 2 * gains.std(ddof=1) / np.sqrt(thrice.rows)
        found += low > 0
    assert 0.72 <= found / 300 <= 0.88


def test_calls_and_dollars_count_every_candidate_and_repeat():
    found = plan(mde=0.1, discordant=0.2, repeats=2, candidates=3, usd_per_call=0.01)
    assert found.calls == found.rows * 2 * 4
    assert found.usd == pytest.approx(found.calls * 0.01)
    assert found.rows > plan(mde=0.1, discordant=0.2).rows  # alpha is shared by three
    assert found.method == "Connor 1987, alpha / 3"
    assert "repeats save no rows" in found.assumed[0]
    assert plan(mde=0.1, discordant=0.2).usd is None
    text = str(found)
    assert f"{found.rows:,} rows, {found.calls:,} calls, ${found.usd:,.2f}" in text
    assert "assumed: repeats" in text
    assert f"<td>{found.calls:,}</td>" in found._repr_html_()


def test_a_rate_alone_is_planned_as_if_answers_were_independent():
    found = plan(mde=0.05, baseline=0.7)
    assert found.rows == plan(mde=0.05, discordant=0.7 * 0.25 + 0.75 * 0.3).rows
    assert "discordant 0.4" in found.assumed[0]
    assert plan(mde=0.05, baseline=0.98).rows > 0  # no room above: the loss is planned for
    assert plan(mde=0.1, baseline=1.0).rows == plan(mde=0.1, discordant=0.1).rows


def test_clusters_ask_for_more_rows():
    assert plan(mde=0.1, sd=0.3, cluster_size=5, icc=0.25).rows == 2 * plan(mde=0.1, sd=0.3).rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mde": 0.1}, "given: none"),
        ({"mde": 0.1, "sd": 0.2, "baseline": 0.7}, "given: baseline, sd"),
        ({"mde": 0, "sd": 0.2}, "mde is above 0"),
        ({"mde": 0.1, "sd": float("nan")}, "sd is above 0"),
        ({"mde": 0.3, "discordant": 0.2}, "can't come from"),
        ({"mde": 0.6, "ties": 0}, "at most 0.5"),
        ({"mde": 0.1, "sd": 0.2, "power": 80}, "power lies between"),
        ({"mde": 0.1, "sd": 0.2, "power": 0.01}, "no more than alpha"),
        ({"mde": 0.1, "sd": 0.2, "within_sd": 0.3, "repeats": 2}, "at most 0.141"),
        ({"mde": 0.1, "sd": 0.2, "candidates": 0}, "candidates is at least 1"),
        ({"mde": 0.1, "sd": 0.2, "icc": 2}, "icc"),
        ({"mde": 0.1, "sd": 0.2, "usd_per_call": -1}, "costs 0 or more"),
        ({"mde": 0.9, "baseline": 0.5}, "No rate lies"),
        ({"mde": 0.1, "baseline": 1.1}, "a rate from 0 to 1"),
    ],
)
def test_plans_that_make_no_sense_are_refused(options, words):
    with pytest.raises(InvalidInput, match=words):
        plan(**options)


def test_plans_of_many_rows_are_quick_and_right():
    assert plan(mde=0.01, sd=1.0).rows == pytest.approx(78_489, abs=5)
