import pytest

from workbench.errors import InvalidInput
from workbench.rag import Analyzer


def test_forms_of_a_word_meet_and_stop_words_are_out():
    analyzer = Analyzer()
    assert analyzer.terms("The refunds were processed") == analyzer.terms("processing a refund")[::-1]


def test_numbers_and_codes_are_terms():
    assert Analyzer().terms("Error E4711 costs 3.95 on 24.12.2026") == ["error", "e4711", "cost", "3.95", "24.12.2026"]


def test_case_width_and_curly_apostrophes_make_no_difference():
    analyzer = Analyzer()
    assert analyzer.terms("\uff32\uff25\uff34URN the customer\u2019s ITEM") == analyzer.terms(
        "return the customer's item"
    )


def test_underscores_part_words():
    assert Analyzer().terms("delivery_time") == Analyzer().terms("delivery time")


def test_two_analyzers_of_the_same_kind_have_one_fingerprint():
    assert Analyzer().fingerprint == Analyzer().fingerprint


def test_what_changes_the_terms_changes_the_fingerprint():
    kinds = [Analyzer(), Analyzer("german"), Analyzer(stop_words=frozenset({"the"}))]
    assert len({analyzer.fingerprint for analyzer in kinds}) == 3


def test_other_languages_are_stemmed_by_their_own_rules():
    assert Analyzer("german").terms("Häuser") == Analyzer("german").terms("Hause")


def test_an_unknown_language_is_refused_with_those_that_are_known():
    with pytest.raises(InvalidInput, match="english"):
        Analyzer("klingon")
