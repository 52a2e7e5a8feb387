"""Measures of texts: what is the same in other letters, what has a form, what lies near a number."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.evidence import Example, Output, normalised_match, numbers_in, numeric_match, regex_match
from workbench.evidence.normalising import normalised


def expecting(text):
    return Example("a", {"q": "?"}, text)


@pytest.mark.parametrize(
    ("output", "expected", "value"),
    [
        ("The Eiffel Tower.", "eiffel tower", 1),
        ("  eiffel\n\ttower ", "Eiffel Tower", 1),
        ("eiffel-tower", "eiffel tower", 1),
        ("\u201cDon\u2019t\u201d", "dont", 1),
        ("\uff21\uff22\uff23 \ufb01ne", "abc fine", 1),
        ("STRASSE", "stra\u00dfe", 1),
        ("1.5", "15", 0),
        ("-3", "3", 0),
        ("\u22123 degrees", "-3 degrees!", 1),
        ("theatre", "atre", 0),
        ("Eiffel", "Eiffel Tower", 0),
    ],
)
def test_texts_are_compared_without_what_does_not_matter(output, expected, value):
    assert normalised_match()(output, expecting(expected)).value == value


@pytest.mark.parametrize(
    ("option", "output", "expected"),
    [
        ({"case": False}, "Paris", "paris"),
        ({"whitespace": False}, "new  york", "new york"),
        ({"punctuation": False}, "yes!", "yes"),
        ({"unicode": False}, "\uff46ine", "fine"),
        ({"articles": ()}, "the end", "end"),
    ],
)
def test_each_levelling_can_be_turned_off(option, output, expected):
    assert normalised_match()(output, expecting(expected)).value == 1
    assert normalised_match(**option)(output, expecting(expected)).value == 0


@settings(max_examples=40)
@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    assert normalised(normalised(text)) == normalised(text)


def test_an_expected_text_of_nothing_but_marks_is_no_ground_for_a_score():
    score = normalised_match()("anything", expecting("the ?!"))
    assert (score.value, "nothing is left" in score.note) == (None, True)


def test_a_pattern_is_searched_or_must_be_all():
    dated = regex_match(r"\d{4}-\d\d-\d\d")
    assert dated("on 2026-11-22, I think", expecting("x")).value == 1
    assert dated("on 2026-11-22, I think", expecting("x")).note == "found '2026-11-22'"
    assert dated("tomorrow", expecting("x")).value == 0
    assert regex_match(r"yes|no", whole=True, ignore_case=True)(" YES\n", expecting("x")).value == 1
    assert regex_match(r"yes|no", whole=True)("yes, sure", expecting("x")).value == 0
    with pytest.raises(InvalidInput, match="not a regular expression"):
        regex_match("(")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It costs $1,299.00 or 12%.", ["1299.00", "12.0"]),
        ("between -3 and +4.5, so 10-20", ["-3.0", "4.5", "10.0", "20.0"]),
        ("2e-3 and .5, \u2212 7, \u22127", ["0.0020", "0.5", "7.0", "-7.0"]),
        ("v2 of E4711 in room 12b", ["12.0"]),
        ("1,2 and 3", ["1.0", "2.0", "3.0"]),
        ("12,345,678.9", ["12345678.9"]),
        ("in 2026. Then 3.", ["2026.0", "3.0"]),
        ("none", []),
    ],
)
def test_numbers_are_read_from_texts(text, found):
    assert numbers_in(text) == [Decimal(number) for number in found]


def test_numbers_with_a_decimal_comma_are_read_where_that_is_said():
    assert numbers_in("1.299,50 Euro", decimal_mark=",") == [Decimal("1299.50")]


@pytest.mark.parametrize(
    ("options", "output", "value"),
    [
        ({}, "The answer is 42.", 1),
        ({}, "The answer is 41.9", 0),
        ({"absolute": 0.1}, "41.9", 1),
        ({"absolute": 0.09}, "41.9", 0),
        ({"relative": 0.1}, "37.8", 1),
        ({"relative": 0.1}, "37.7", 0),
        ({}, "First 42, then 7", 0),
        ({"which": "first"}, "First 42, then 7", 1),
        ({"which": "any"}, "First 7, then 42, then 9", 1),
        ({"which": "only"}, "First 42, then 7", 0),
        ({}, "forty-two", 0),
    ],
)
def test_a_number_is_near_enough_or_wrong(options, output, value):
    assert numeric_match(**options)(output, expecting("42")).value == value


def test_tolerances_are_reckoned_as_people_write_them():
    assert numeric_match(absolute=0.1)("0.3", expecting("0.2")).value == 1
    assert numeric_match(relative=0.1)("-90", expecting("-100")).value == 1


def test_where_no_number_is_expected_there_is_no_score():
    assert numeric_match()("42", expecting("some")).value is None
    assert numeric_match()("42", expecting("1 or 2")).value is None
    assert numeric_match()(Output(images=(b"x",)), expecting("1")).value is None
    with pytest.raises(InvalidInput, match="tolerance"):
        numeric_match(absolute=-1)
