"""Krippendorff's alpha and Cohen's kappa against published numbers and statsmodels."""

import math
import tracemalloc

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import cohen_kappa, krippendorff_alpha, table_of

NONE = None
# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
    [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_example_has_his_figures(level, alpha):
    found = krippendorff_alpha(OBSERVERS, level=level)
    assert found.alpha == pytest.approx(alpha, abs=0.0005)
    assert (found.units, found.raters, found.n) == (11, 4, 40)  # unit 12 has one rating, which tells nothing
    assert found.low < found.alpha < found.high <= 1


def test_two_observers_without_gaps_have_the_figure_of_the_text():
    # The same paper, section B: two observers, nominal, 10 units coded 0 or 1 (section A): alpha = 0.095
    a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([a, b]).alpha == pytest.approx(0.095, abs=0.0005)


def test_words_are_ranked_by_their_order():
    words = ["", "bad", "poor", "fair", "good", "best"]
    named = [[None if each is None else words[each] for each in row] for row in OBSERVERS]
    found = krippendorff_alpha(named, level="ordinal", order=words[1:])
    assert found == krippendorff_alpha(OBSERVERS, level="ordinal")
    assert krippendorff_alpha(named).alpha == pytest.approx(krippendorff_alpha(OBSERVERS).alpha)


def test_nan_is_no_rating_and_single_ratings_make_the_table():
    gaps = [[math.nan if each is None else float(each) for each in row] for row in OBSERVERS]
    assert krippendorff_alpha(np.array(gaps), level="interval") == krippendorff_alpha(OBSERVERS, level="interval")
    singles = [
        (f"rater {r}", f"unit {u:02}", value)
        for r, row in enumerate(OBSERVERS)
        for u, value in enumerate(row)
        if value is not None
    ]
    assert table_of(reversed(singles)) == OBSERVERS
    with pytest.raises(InvalidInput, match="rated 'unit 00' twice"):
        table_of([singles[0], singles[0]])


def noisy(random, units, raters=3, right=0.8):
    truth = random.integers(0, 3, units)
    return np.where(random.random((raters, units)) < right, truth, random.integers(0, 3, (raters, units)))


@pytest.mark.parametrize("level", ["ordinal", "interval"])
def test_the_interval_covers_the_alpha_of_many_units(level):
    truth = krippendorff_alpha(noisy(np.random.default_rng(0), 4000), level=level, resamples=2000).alpha
    random = np.random.default_rng(1)
    results = [krippendorff_alpha(noisy(random, 40), level=level, resamples=2000) for _ in range(50)]
    assert 0.9 <= np.mean([each.low <= truth <= each.high for each in results]) <= 0.99


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_many_distinct_values_take_little_memory(level):
    random = np.random.default_rng(0)
    first = random.integers(0, 200, 100)
    tracemalloc.start()
    found = krippendorff_alpha([first, np.where(random.random(100) < 0.7, first, 199 - first)], level=level)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.low < found.alpha < found.high
    assert most < 100e6


def test_full_agreement_on_few_units_leaves_doubt():
    few, many = [[0, 1] * 5] * 2, [[0, 1] * 200] * 2
    assert (krippendorff_alpha(few).alpha, krippendorff_alpha(few).high) == (1, 1)
    assert krippendorff_alpha(few).low < 0.6
    assert krippendorff_alpha(many).low > 0.97
    for level in ("ordinal", "interval"):
        assert krippendorff_alpha(few, level=level).low == pytest.approx(krippendorff_alpha(few).low, abs=0.01)
    assert cohen_kappa([0, 1] * 5, [0, 1] * 5).low == pytest.approx(1 - 2 * 0.2775, abs=0.001)


def test_ratings_that_are_all_the_same_tell_nothing():
    found = krippendorff_alpha([[1, 1, 1], [1, 1, 1]])
    assert math.isnan(found.alpha)
    assert str(found).startswith("no agreement to tell")
    assert math.isnan(cohen_kappa(["good"] * 4, ["good"] * 4).kappa)


def test_where_one_unit_carries_all_of_the_difference_nothing_is_known():
    found = krippendorff_alpha([["a", "b"], ["a", "a"]])
    assert (found.alpha, found.low, found.high, found.units) == (0.0, -1.0, 1.0, 2)


def test_the_same_seed_gives_the_same_interval():
    assert krippendorff_alpha(OBSERVERS, seed=4) == krippendorff_alpha(OBSERVERS, seed=4)
    assert krippendorff_alpha(OBSERVERS, seed=4) != krippendorff_alpha(OBSERVERS, seed=5)


@pytest.mark.parametrize(
    ("ratings", "options", "words"),
    [
        ([], {}, "two or more units"),
        ([[1, 2, None], [None, None, 1]], {}, "there are 0"),
        ([[1, 2], [1]], {}, "one place for each unit"),
        ([["good", "bad"], ["good", "bad"]], {"level": "ordinal"}, "no ordinal scale"),
        ([["good", "bad"], ["good", "odd"]], {"level": "ordinal", "order": ["bad", "good"]}, "lacks odd"),
        ([[1, 2], [1, 2]], {"level": "ratio"}, "nominal, ordinal or interval"),
        ([[1, 2], [1, 2]], {"resamples": 10}, "at least 2000"),
    ],
)
def test_ratings_that_are_no_table_are_refused(ratings, options, words):
    with pytest.raises(InvalidInput, match=words):
        krippendorff_alpha(ratings, **options)


def rated(table):
    pairs = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [i for i, _ in pairs], [j for _, j in pairs]


@pytest.mark.parametrize(
    ("weights", "kappa", "error"),
    [(None, 0.68085106, 0.06199052), ("linear", 0.71428571, 0.05936426), ("quadratic", 0.75083056, 0.06366974)],
)
def test_kappa_and_its_error_are_those_of_statsmodels(weights, kappa, error):
    # statsmodels 0.15: cohens_kappa(table, wt=weights)
    found = cohen_kappa(*rated([[20, 5, 1], [4, 30, 6], [2, 3, 29]]), weights=weights)
    assert found.kappa == pytest.approx(kappa, abs=1e-7)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(error, abs=1e-6)
    assert (found.n, found.observed > found.expected) == (100, True)


def test_kappa_leaves_out_what_one_did_not_rate():
    found = cohen_kappa(["a", "b", None, "a"], ["a", "b", "a", float("nan")])
    assert (found.n, found.excluded, found.kappa) == (2, 2, 1)
    assert "(n=2, agreement 1.00, by chance 0.50)" in str(found)


@pytest.mark.parametrize(
    ("a", "b", "options", "words"),
    [
        ([1], [1, 2], {}, "1 and 2"),
        ([], [], {}, "No item"),
        ([None], [1], {}, "No item"),
        (["x", "y"], ["x", "y"], {"weights": "linear"}, "order"),
        ([1, 2], [1, 2], {"weights": "cubic"}, "linear or quadratic"),
    ],
)
def test_kappa_of_what_is_no_pair_of_ratings_is_refused(a, b, options, words):
    with pytest.raises(InvalidInput, match=words):
        cohen_kappa(a, b, **options)
