import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import IntegrityError
from workbench.rag.lexical import LexicalLeg


def scores(leg, query):
    return leg.score(query, np.arange(len(leg))).tolist()


def test_one_document_is_found():
    leg = LexicalLeg([["refund", "card"]])
    assert leg.top(["refund"], 5).tolist() == [0]
    assert scores(leg, ["refund"])[0] > 0


def test_with_two_documents_the_one_that_matches_is_found_alone():
    leg = LexicalLeg([["refund", "card"], ["delivery"]])
    assert leg.top(["refund"], 5).tolist() == [0]


def test_a_term_of_every_document_still_counts():
    assert all(score > 0 for score in scores(LexicalLeg([["a"], ["a"], ["a", "b"]]), ["a"]))


def test_a_common_term_never_counts_more_than_a_rarer_one():
    leg = LexicalLeg([["all", "most"]] * 9 + [["all", "few"]])
    rarer, common = scores(leg, ["few"])[9], scores(leg, ["all"])[9]
    assert rarer > common > 0


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_a_corpus_without_terms_finds_nothing(rows):
    leg = LexicalLeg(rows)
    assert leg.top(["refund"], 5).tolist() == []
    assert scores(leg, ["refund"]) == [0] * len(rows)


def test_documents_without_a_term_of_the_query_are_not_found():
    leg = LexicalLeg([["a"], ["b"], ["c"]])
    assert leg.top(["b", "z"], 5).tolist() == [1]
    assert leg.top([], 5).tolist() == []


def test_equal_scores_keep_the_order_of_the_rows():
    leg = LexicalLeg([["a", "b"]] * 50)
    assert leg.top(["a"], 10).tolist() == list(range(10))


corpora = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), min_size=1, max_size=12)


@settings(deadline=None)
@given(corpora, st.lists(st.sampled_from("abcdefz"), max_size=4))
def test_scores_are_those_of_the_formula(rows, query):
    count, mean = len(rows), sum(map(len, rows)) / len(rows)
    expected = []
    for row in rows:
        total = 0.0
        for term in query:
            n, tf = sum(term in other for other in rows), row.count(term)
            if tf:
                idf = math.log(1 + (count - n + 0.5) / (n + 0.5))
                total += idf * tf * 2.5 / (tf + 1.5 * (0.25 + 0.75 * len(row) / mean))
        expected.append(total)
    assert scores(LexicalLeg(rows), query) == pytest.approx(expected)


@settings(deadline=None)
@given(corpora, st.lists(st.sampled_from("abcdefz"), max_size=4))
def test_a_leg_that_was_stored_finds_the_same(rows, query):
    leg = LexicalLeg(rows)
    again = LexicalLeg.from_bytes(leg.to_bytes())
    assert scores(again, query) == scores(leg, query)
    assert [again.row_terms(row) for row in range(len(rows))] == rows


def test_pickled_objects_are_not_read():
    buffer = io.BytesIO()
    np.savez(buffer, vocabulary=np.array([{}], dtype=object), lengths=np.zeros(1), terms=np.zeros(0))
    with pytest.raises(IntegrityError):
        LexicalLeg.from_bytes(buffer.getvalue())


def test_arrays_that_do_not_fit_are_refused():
    buffer = io.BytesIO()
    words = np.frombuffer(b"a", dtype=np.uint8)
    np.savez(buffer, vocabulary=words, lengths=np.array([2]), terms=np.array([0, 7], dtype=np.int32))
    with pytest.raises(IntegrityError, match="outside the vocabulary"):
        LexicalLeg.from_bytes(buffer.getvalue())
