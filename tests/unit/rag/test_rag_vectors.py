import faiss
import numpy as np
import pytest

from workbench.errors import IntegrityError
from workbench.rag.vectors import VectorLeg, normalised


def unit(count=20, dimension=8, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return normalised(rows, count=count, source="test")


def test_the_nearest_rows_are_those_of_plain_arithmetic():
    rows, query = unit(), unit(1, seed=1)[0]
    leg = VectorLeg.of(rows)
    expected = np.argsort(-(rows @ query), kind="stable")
    assert leg.top(query, 5).tolist() == expected[:5].tolist()
    assert leg.score(query, expected[:5]) == pytest.approx((rows @ query)[expected[:5]])


def test_equal_rows_keep_their_order():
    rows = np.repeat(unit(1), 30, axis=0)
    assert VectorLeg.of(rows).top(rows[0], 30).tolist() == list(range(30))


def test_more_than_there_is_gives_what_there_is():
    assert len(VectorLeg.of(unit(3)).top(unit(1)[0], 10)) == 3
    assert VectorLeg.of(np.empty((0, 8), dtype=np.float32)).top(unit(1)[0], 10).tolist() == []


def test_a_leg_that_was_stored_is_the_same():
    leg = VectorLeg.of(unit())
    again = VectorLeg.from_bytes(leg.to_bytes())
    assert np.array_equal(again.vectors(), leg.vectors())


def test_another_kind_of_index_is_refused():
    raw = faiss.serialize_index(faiss.IndexFlatL2(4)).tobytes()
    with pytest.raises(IntegrityError, match="IndexFlatL2"):
        VectorLeg.from_bytes(raw)


def test_bytes_that_are_no_index_are_refused():
    with pytest.raises(IntegrityError):
        VectorLeg.from_bytes(b"nonsense" * 20)


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.ones((1, 3)), np.ones((2, 4)), np.ones(3)]
)
def test_embeddings_that_can_not_be_used_are_refused(rows):
    with pytest.raises(IntegrityError):
        normalised(rows, count=2, dimension=3, source="test")
