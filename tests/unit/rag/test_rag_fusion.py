import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.rag import Convex, ReciprocalRank

LEXICAL = np.array([4.0, 0.0, 2.0])
COSINES = np.array([0.2, 0.9, 0.5])
DOCUMENTS = ["a", "b", "c"]


def test_convex_weighs_scores_that_were_stretched_over_the_pool():
    fused = Convex(0.7).fuse(LEXICAL, COSINES, DOCUMENTS)
    assert fused == pytest.approx([0.3, 0.7, 0.7 * 3 / 7 + 0.3 * 0.5])


def test_a_weight_of_one_or_zero_is_one_leg_alone():
    assert np.argsort(-Convex(1).fuse(LEXICAL, COSINES, DOCUMENTS)).tolist() == [1, 2, 0]
    assert np.argsort(-Convex(0).fuse(LEXICAL, COSINES, DOCUMENTS)).tolist() == [0, 2, 1]


def test_no_matching_term_is_the_least_a_candidate_can_have():
    fused = Convex(0).fuse(np.array([2.0, 1.9]), np.zeros(2), ["a", "b"])
    assert fused == pytest.approx([1.0, 0.95])


def test_a_leg_that_says_nothing_adds_nothing():
    assert Convex(0.7).fuse(np.zeros(3), COSINES, DOCUMENTS).max() == pytest.approx(0.7)


def test_one_candidate_alone_is_the_best():
    assert Convex().fuse(np.array([3.0]), np.array([0.1]), ["a"]) == pytest.approx([1.0])


scores = st.lists(st.floats(0, 10), min_size=1, max_size=20)


@settings(deadline=None)
@given(scores, st.floats(0, 1), st.randoms())
def test_convex_scores_lie_between_zero_and_one(lexical, weight, random):
    cosines = np.array([random.uniform(-1, 1) for _ in lexical])
    fused = Convex(weight).fuse(np.array(lexical), cosines, ["a"] * len(lexical))
    assert ((fused >= 0) & (fused <= 1 + 1e-9)).all()


def test_reciprocal_ranks_are_added():
    fused = ReciprocalRank().fuse(LEXICAL, COSINES, DOCUMENTS)
    assert fused == pytest.approx([1 / 61 + 1 / 63, 1 / 61, 1 / 62 + 1 / 62])


def test_a_long_document_does_not_push_others_down_a_leg():
    lexical = np.arange(30, 0, -1).astype(float)  # 29 chunks of one document, then one of another
    fused = ReciprocalRank().fuse(lexical, np.zeros(30), ["long"] * 29 + ["other"])
    alone = ReciprocalRank().fuse(lexical[28:], np.zeros(2), ["long", "other"])
    assert fused[29] == pytest.approx(alone[1])
    assert fused[29] > fused[2]


def test_a_weight_outside_its_range_is_refused():
    with pytest.raises(InvalidInput):
        Convex(1.5)
