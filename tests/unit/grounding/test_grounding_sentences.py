from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.grounding import clauses, sentences


def split(text):
    return [text[span.start : span.end] for span in sentences(text)]


def test_sentences_end_at_end_marks_and_keep_closing_quotes():
    assert split('He said "No." Then he left! Why?') == ['He said "No."', "Then he left!", "Why?"]


@pytest.mark.parametrize(
    "text",
    [
        "See e.g. Berlin for this.",
        "Dr. Smith is here.",
        "It costs 3.95 pounds.",
        "Take version 2. of it",
        "J. Smith wrote it.",
        "Ask for No. 7 here.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(text):
    assert split(text) == [text]


def test_no_as_an_answer_is_a_sentence():
    assert split("No. You can't.") == ["No.", "You can't."]


def test_list_items_and_table_rows_are_sentences_of_their_own():
    text = "Do this:\n1. Open it\n2. Close it\n\n- one\n- two\n| a | b |\n| c | d |"
    assert split(text) == ["Do this:", "1. Open it", "2. Close it", "- one", "- two", "| a | b |", "| c | d |"]


def test_a_line_break_inside_a_paragraph_is_no_end():
    assert split("It goes\non here. Next.") == ["It goes\non here.", "Next."]


def test_full_width_marks_need_no_space():
    assert split("你好\u3002再见\uff01") == ["你好\u3002", "再见\uff01"]


@settings(deadline=None)
@given(st.text(alphabet="ab.!? \n1-\"')", max_size=80))
def test_spans_are_in_order_and_lose_nothing_but_space(text):
    spans = sentences(text)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert "".join("".join(split(text)).split()) == "".join(text.split())


def test_a_clause_with_its_own_subject_stands_alone():
    assert clauses("The chat is open daily, and the line is open on weekdays.") == [
        "The chat is open daily",
        "the line is open on weekdays.",
    ]


def test_a_clause_that_leans_on_another_subject_is_not_split_off():
    sentence = "Standard delivery takes 3 days, and costs 8.95 pounds."
    assert clauses(sentence) == [sentence]
