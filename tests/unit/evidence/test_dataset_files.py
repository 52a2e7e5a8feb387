"""Datasets from files, MLflow's words, groups and provenance."""

import json

import pandas as pd
import pytest

from workbench.errors import InvalidInput, NotFound
from workbench.evidence import Dataset, Example

ROWS = [{"id": "a", "q": "1+1?", "expected": "2"}, {"id": "b", "q": "2+2?", "expected": "4"}]


def test_csv_parquet_and_jsonl_of_the_same_content_have_the_same_hash(tmp_path):
    frame = pd.DataFrame(ROWS)
    frame.to_csv(tmp_path / "sums.csv", index=False)
    frame.to_parquet(tmp_path / "sums.parquet")
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    read = [
        Dataset.from_csv(tmp_path / "sums.csv"),
        Dataset.from_parquet(tmp_path / "sums.parquet"),
        Dataset.from_jsonl(tmp_path / "sums.jsonl"),
    ]
    assert {each.hash for each in read} == {Dataset.from_rows(ROWS).hash}
    assert [each.origin for each in read] == ["file sums.csv", "file sums.parquet", "file sums.jsonl"]
    assert {each.name for each in read} == {"sums"}


def test_a_csv_value_is_the_text_that_stands_there(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_bytes('\ufeffcode,said,expected\n007,"two\nlines, one cell",\n'.encode())
    (example,) = Dataset.from_csv(path)
    assert example.inputs == {"code": "007", "said": "two\nlines, one cell"}
    assert example.expected is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,a\n1,2\n", "names a column twice"),
        ("a,b\n1,2\n1,2,3\n", r"t\.csv:3 has 3 cells; the header names 2"),
        ('a,b\n"1,2\n', "is not CSV"),
    ],
)
def test_a_broken_csv_is_refused_by_line(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text, "utf-8")
    with pytest.raises(InvalidInput, match=words):
        Dataset.from_csv(tmp_path / "t.csv")


def test_files_that_are_not_there_or_not_what_they_are_called(tmp_path):
    (tmp_path / "t.parquet").write_text("no parquet", "utf-8")
    (tmp_path / "t.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(InvalidInput, match=r"t\.parquet is not a Parquet file"):
        Dataset.from_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidInput, match=r"t\.csv is not UTF-8"):
        Dataset.from_csv(tmp_path / "t.csv")
    with pytest.raises(NotFound, match="no such file"):
        Dataset.from_parquet(tmp_path / "none.parquet")


def test_expectations_are_read_and_written_as_in_mlflow():
    rows = [
        {"inputs": {"q": "x"}, "expectations": {"expected_response": "y"}},
        {"inputs": {"q": "z"}, "expectations": {"colour": "red", "size": 3}},
        {"inputs": {"q": "none"}},
    ]
    data = Dataset.from_rows(rows)
    assert [example.expected for example in data] == ["y", {"colour": "red", "size": 3}, None]
    assert Dataset.from_rows(data.to_mlflow()).hash == data.hash
    assert data.to_mlflow()[0] == rows[0]


def test_a_group_is_no_input_and_counts_for_the_hash_only_where_it_is_set():
    rows = [{"q": "x", "customer": "ana"}, {"q": "y", "customer": "ben"}]
    grouped = Dataset.from_rows(rows, group="customer")
    assert [(e.inputs, e.group) for e in grouped] == [({"q": "x"}, "ana"), ({"q": "y"}, "ben")]
    assert grouped.hash != Dataset.from_rows([{"q": "x"}, {"q": "y"}]).hash
    with pytest.raises(InvalidInput, match=r"Row 1 .* has no 'client'"):
        Dataset.from_rows(rows, group="client")


def test_hash_of_an_ungrouped_dataset_stays_what_it_was():
    # Written by 0.4.0: runs in MLflow name it.
    rows = [{"id": "a", "inputs": {"q": "1+1?"}, "expected": "2"}]
    assert Dataset.from_rows(rows).hash == "af529675f6857d360d3870473bc4931e0afbf9984711e6486eacc760d8b36b0d"


def test_what_else_a_row_with_inputs_says_is_its_source():
    row = {"inputs": {"q": "x"}, "expected": "y", "group": "g", "model": "m", "source": {"trace_id": "tr-1"}}
    (example,) = Dataset.from_rows([row])
    assert (example.group, example.source) == ("g", {"trace_id": "tr-1", "model": "m"})
    assert Dataset.from_rows([example.as_row()]).examples == (example,)
    assert Dataset.from_rows([example.as_row()]).examples[0].source == example.source


def test_the_frame_shows_group_and_source_where_there_are_any():
    data = Dataset((Example("a", {"q": 1}, group="g"), Example("b", {"q": 2}, source={"kind": "call"})))
    assert list(data.to_frame().columns) == ["id", "inputs", "expected", "group", "source"]
