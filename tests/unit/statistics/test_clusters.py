"""Scores that share a customer or a document: errors against statsmodels and against the matrices written out."""

import math

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.statistics import mean_interval, paired_difference, student_t_quantile
from workbench.statistics.clusters import cluster_codes, clustered_mean, intraclass

SCORES = np.array([0.9, 0.7, 0.8, 0.6, 0.75, 0.95, 0.4, 0.5, 0.45, 0.85, 0.65, 0.7])


def test_error_of_equal_clusters_is_that_of_statsmodels():
    # statsmodels 0.15: OLS(scores, 1).fit(cov_type="cluster", use_correction=True, use_t=True): bse 0.08032774, 3 df
    found = clustered_mean(SCORES, np.repeat(np.arange(4), 3))
    assert (found.error, found.degrees, found.clusters) == (pytest.approx(0.08032774, abs=1e-8), 3, 4)
    half = student_t_quantile(0.975, 3) * found.error
    assert (found.mean - half, found.mean + half) == pytest.approx((0.43186127, 0.94313873), abs=1e-8)


def test_error_and_degrees_of_unequal_clusters_are_those_of_the_matrices():
    codes = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 4])
    n = len(codes)
    residual_maker = np.eye(n) - 1 / n
    vectors = []
    for cluster in range(5):
        own = codes == cluster
        values, basis = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        root = basis @ np.diag(values**-0.5) @ basis.T
        vectors.append(residual_maker[:, own] @ root @ np.full(own.sum(), 1 / n))
    bell_mccaffrey = np.array(vectors) @ np.array(vectors).T
    found = clustered_mean(SCORES, codes)
    assert found.error == pytest.approx(math.sqrt(sum((SCORES @ vector) ** 2 for vector in vectors)))
    assert found.degrees == math.floor(np.trace(bell_mccaffrey) ** 2 / np.trace(bell_mccaffrey @ bell_mccaffrey))


def test_scores_that_are_each_a_cluster_get_the_interval_without_clusters():
    for scores in (SCORES, SCORES > 0.6):
        alone, plain = mean_interval(scores, clusters=[*"abcdefghijkl"]), mean_interval(scores)
        assert (alone.low, alone.high, alone.unit, alone.clusters) == (plain.low, plain.high, "cluster", None)
    alone = paired_difference(SCORES, SCORES[::-1], clusters=range(12), unit="document")
    plain = paired_difference(SCORES, SCORES[::-1])
    assert (alone.low, alone.high, alone.p_value, alone.unit) == (plain.low, plain.high, plain.p_value, "document")


def test_a_score_without_a_label_is_a_cluster_of_its_own():
    assert cluster_codes(["a", None, "a", math.nan, "b"], 5).tolist() == [0, 1, 0, 2, 3]


def test_figures_name_their_unit():
    clusters = np.repeat(["ann", "bob", "cy", "di"], 3)
    shown = str(mean_interval(SCORES, clusters=clusters, unit="customer"))
    assert shown.endswith("(n=12 of 4 customers)")
    difference = paired_difference(SCORES, SCORES - 0.1, clusters=clusters, unit="customer")
    assert (difference.unit, difference.clusters, difference.n) == ("customer", 4, 12)
    assert "n=12 of 4 customers" in str(difference)
    assert mean_interval(SCORES).unit == "example"


def test_missing_scores_take_their_labels_out():
    scores = [0.5, None, 0.7, 0.9, 0.8]
    with_gap = mean_interval(scores, clusters=["a", "lost", "a", "b", "b"])
    without = mean_interval([0.5, 0.7, 0.9, 0.8], clusters=["a", "a", "b", "b"])
    assert with_gap == without


@pytest.mark.parametrize(
    "figure", [mean_interval, lambda scores, **options: paired_difference(scores, [0.5] * 3, **options)]
)
def test_one_cluster_and_labels_that_do_not_fit_are_refused(figure):
    with pytest.raises(InvalidInput, match="belong to one customer"):
        figure([0.2, 0.4, 0.9], clusters=["a", "a", "a"], unit="customer")
    with pytest.raises(InvalidInput, match="3 scores and 2 labels"):
        figure([0.2, 0.4, 0.9], clusters=["a", "b"])


def test_copies_of_an_example_add_no_certainty():
    once = [1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]
    copied, clusters = np.repeat(once, 5), np.repeat(np.arange(12), 5)
    honest, single = mean_interval(copied, clusters=clusters), mean_interval(once)
    assert honest.high - honest.low >= single.high - single.low
    assert mean_interval(copied).high - mean_interval(copied).low < 0.6 * (honest.high - honest.low)


def test_right_answers_everywhere_leave_the_doubt_of_the_clusters():
    assert mean_interval([1] * 60, clusters=np.repeat(np.arange(6), 10)).low < 0.65
    tied = paired_difference([1] * 60, [1] * 60, clusters=np.repeat(np.arange(6), 10))
    assert tied.low < -0.3 < 0.3 < tied.high


def test_signs_are_flipped_by_cluster():
    gains = np.repeat([0.2, 0.1, 0.3, 0.15], 5)
    together = paired_difference(gains, np.zeros(20), clusters=np.repeat(np.arange(4), 5))
    assert together.p_value == pytest.approx(1 / 16)  # one of 2^4 arrangements and its mirror, counted half
    assert paired_difference(gains, np.zeros(20)).p_value < 0.001
    assert together.verdict == "not distinguishable"


def test_how_alike_a_cluster_is_is_the_published_figure():
    # Shrout & Fleiss 1979, Psychological Bulletin 86:420, table 2: six targets, four judges; ICC(1,1) is .17
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    targets = np.repeat(np.arange(6), 4)
    assert intraclass(ratings.ravel().astype(float), targets) == pytest.approx(0.17, abs=0.005)
    assert intraclass(np.array([1.0, 1, 0, 0, 0]), np.array([0, 0, 1, 1, 1])) == 1
    assert intraclass(np.array([1.0, 0, 1, 0]), np.array([0, 0, 1, 1])) == 0
    assert intraclass(np.array([1.0, 0]), np.array([0, 1])) == intraclass(np.ones(4), np.array([0, 0, 1, 1])) == 0
