import re

import pytest

from workbench.grounding import Bounds, overlap, passages, support

STOP = {
    "the",
    "a",
    "an",
    "is",
    "of",
    "to",
    "in",
    "it",
    "on",
    "for",
    "you",
    "can",
    "be",
    "do",
    "how",
    "long",
    "are",
    "we",
}


def terms(text):
    return [word.rstrip("s") for word in re.findall(r"[\w.]*\w", text.lower()) if word not in STOP]


def judged(statement, source, *, question="", similarity=None, header=""):
    found = passages(source, header=header)
    cosines = None if similarity is None else [similarity] * len(found)
    result = support(statement, found, terms=terms, similarities=cosines, question=question)
    return result, None if result.passage is None else found[result.passage].text


WARRANTY = "Lamps have a warranty of 2 years. Furniture has a warranty of 5 years. It does not cover water damage."


def test_a_sentence_of_the_source_is_supported_by_itself():
    result, quote = judged("Furniture has a warranty of 5 years.", WARRANTY)
    assert result.supported
    assert quote == "Furniture has a warranty of 5 years."


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("Furniture has a warranty of 9 years.", "does not hold the number 9"),
        ("Furniture has a warranty of 5 months.", "does not say 5 month"),
        ("Furniture has no warranty of 5 years.", "denies what the source says"),
        ("Furniture has a warranty of 5 years in Japan.", "does not hold japan"),
        ("Batteries can be thrown away at any shop.", "0% of its words"),
    ],
)
def test_a_changed_fact_is_not_supported_whatever_the_similarity(statement, reason):
    result, _ = judged(statement, "Furniture has a warranty of 5 years.", similarity=0.99)
    assert not result.supported
    assert reason in result.reason


def test_dropping_a_denial_is_not_supported():
    result, _ = judged("It covers water damage.", "It does not cover water damage.", similarity=0.99)
    assert not result.supported
    assert "denies" in result.reason


def test_what_the_source_says_of_something_else_is_not_supported():
    result, _ = judged(
        "The warranty on furniture is 2 years.",
        WARRANTY,
        question="How long is the warranty on furniture?",
        similarity=0.9,
    )
    assert not result.supported


def test_a_sentence_that_points_back_is_read_with_the_one_before_it():
    source = "Gift cards are sold online. They are valid for 5 years."
    result, quote = judged("Gift cards are valid for 5 years.", source, question="How long are gift cards valid?")
    assert result.supported
    assert quote == "They are valid for 5 years."


def test_the_header_tells_what_a_sentence_is_about():
    result, _ = judged(
        "The warranty does not cover water damage.", "It does not cover water damage.", header="Warranty"
    )
    assert result.supported


def test_a_fragment_is_supported_only_where_the_question_aims():
    source = "Every lamp has a warranty of 2 years. Furniture has a warranty of 5 years."
    question = "How long is the warranty on furniture?"
    assert not judged("2 years", source, question=question)[0].supported
    result, quote = judged("5 years", source, question=question)
    assert result.supported
    assert quote == "Furniture has a warranty of 5 years."
    assert not judged("5 years", source, question="When does the train leave?")[0].supported


def test_a_longer_fragment_without_a_verb_is_one_too():
    source = (
        "The blue team of Leeds won the old cup again in 1968. The red guards of Hull burnt most relics in a night."
    )
    assert not judged("the blue team of Leeds", source, question="Who burnt the relics?")[0].supported
    assert judged("the red guards of Hull", source, question="Who burnt the relics?")[0].supported


def test_a_whole_sentence_of_the_source_needs_no_question():
    result, _ = judged("Furniture has a warranty of 5 years.", WARRANTY, question="Who runs the shop?")
    assert result.supported


def test_a_lead_in_is_not_part_of_the_claim():
    result, _ = judged("The answer to this question is: furniture has a warranty of 5 years.", WARRANTY)
    assert result.supported
    assert result.overlap == 1


def test_nothing_to_check_is_not_supported():
    assert not judged("It is.", WARRANTY, similarity=0.9)[0].supported


def test_without_a_source_nothing_is_supported():
    assert support("It is 5 years.", [], terms=terms).reason == "there is no source"


def test_similarity_decides_between_the_bounds():
    source = passages("The parcel leaves the warehouse before noon on working days.")
    statement = "Each parcel will leave early on working days"
    for similarity, supported in ((0.9, True), (0.2, False)):
        result = support(
            statement,
            source,
            terms=terms,
            similarities=[similarity],
            bounds=Bounds(overlap=0.4, verbatim=0.95),
        )
        assert result.supported is supported


def test_overlap_of_nothing_is_zero():
    assert overlap([], ["a"]) == 0
    assert overlap(["a", "a", "b"], ["a"]) == 0.5
