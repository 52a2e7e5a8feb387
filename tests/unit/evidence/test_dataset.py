"""Datasets: what a row may be, ids, and the hash of the content."""

import json

import numpy as np
import pandas as pd
import pytest

from workbench.errors import InvalidInput, NotFound
from workbench.evidence import Dataset, Example

ROWS = [
    {"id": "a", "inputs": {"q": "1+1?"}, "expected": "2"},
    {"id": "b", "inputs": {"q": "2+2?"}, "expected": "4"},
]


def test_jsonl_frame_and_rows_of_the_same_content_have_the_same_hash(tmp_path):
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", "utf-8")
    flat = pd.DataFrame({"id": ["a", "b"], "q": ["1+1?", "2+2?"], "expected": ["2", "4"]})
    read = Dataset.from_jsonl(path)
    assert read.hash == Dataset.from_rows(ROWS).hash == Dataset.from_frame(flat).hash
    assert (read.name, len(read), read["b"].inputs) == ("sums", 2, {"q": "2+2?"})


def test_hash_follows_content_and_not_order():
    same = Dataset.from_rows(list(reversed(ROWS)))
    other = Dataset.from_rows([ROWS[0], ROWS[1] | {"expected": "5"}])
    assert same.hash == Dataset.from_rows(ROWS).hash != other.hash


def test_expectation_is_no_part_of_the_hash_of_the_inputs():
    assert Example("a", {"q": 1}, "x").inputs_hash == Example("b", {"q": 1}, "y").inputs_hash
    assert Example("a", {"q": 1}).inputs_hash != Example("a", {"q": 2}).inputs_hash


def test_ids_that_are_missing_are_made_from_the_inputs_and_stay_the_same():
    rows = [{"q": "x"}, {"q": "y"}, {"q": "x"}]
    first = [example.id for example in Dataset.from_rows(rows)]
    assert len(set(first)) == 3
    assert first == [example.id for example in Dataset.from_rows(rows)]
    assert first[0] == Dataset.from_rows(rows[:1]).examples[0].id


def test_several_expected_columns_become_named_parts():
    row = {"id": 7, "conversation": "...", "issue": "delivery", "sentiment": "negative"}
    example = Dataset.from_rows([row], expected=["issue", "sentiment"])["7"]
    assert example.inputs == {"conversation": "..."}
    assert example.expected == {"issue": "delivery", "sentiment": "negative"}


def test_numbers_of_a_frame_become_plain_and_empty_cells_none():
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan], "expected": ["a", None]})
    first, second = Dataset.from_frame(frame)
    assert type(first.inputs["n"]) is int
    assert second.inputs["x"] is None
    assert second.expected is None


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([{"id": "a", "q": 1}, {"id": "a", "q": 2}], {}, "'a' more than once"),
        ([{"q": 1}], {"expected": "answer"}, "no 'answer'"),
        ([{"expected": "x"}], {}, "no inputs"),
        (["text"], {}, "expected a dict"),
        ([{"q": object()}], {}, "JSON does not know"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_number(rows, options, words):
    with pytest.raises(InvalidInput, match=words):
        Dataset.from_rows(rows, **options)


def test_a_broken_line_is_named_and_a_missing_file_is_not_found(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text('{"q": 1}\n{"q": \n', "utf-8")
    with pytest.raises(InvalidInput, match=r"broken\.jsonl:2"):
        Dataset.from_jsonl(path)
    with pytest.raises(NotFound, match=r"nowhere\.jsonl"):
        Dataset.from_jsonl(tmp_path / "nowhere.jsonl")


def test_a_line_separator_within_a_text_does_not_cut_the_line(tmp_path):
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"q": "a\u2028b"}, ensure_ascii=False), "utf-8")
    assert Dataset.from_jsonl(path).examples[0].inputs["q"] == "a\u2028b"


def test_parts_are_datasets_too():
    data = Dataset.from_rows(ROWS, name="sums")
    assert [e.id for e in data.head(1)] == ["a"]
    assert [e.id for e in data[1:]] == ["b"]
    assert list(data.to_frame().columns) == ["id", "inputs", "expected"]
    with pytest.raises(NotFound, match="no example 'zz'"):
        data["zz"]


def test_html_escapes_what_examples_hold():
    html = Dataset.from_rows([{"q": "<script>alert(1)</script>"}], name="<b>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;b&gt;" in html
