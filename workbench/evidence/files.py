"""Rows from files: CSV, JSONL and Parquet, with errors that name file and line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput, NotFound


def read_jsonl(path: Path) -> list[Mapping[str, Any]]:
    """Return one object a line; empty lines are passed over."""
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{path.name}:{number} is not JSON: {error}.", hint="One object a line.") from error
    return rows


def read_csv(path: Path, *, delimiter: str = ",") -> list[dict[str, Any]]:
    """Return one dict a row; every value is the text that stands there, and an empty cell is None.

    A CSV file has no types, so none is guessed: 007 stays 007.
    """
    text = _text(path)
    if not text.strip():
        raise InvalidInput(f"{path.name} is empty.", hint="Its first line names the columns.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[dict[str, Any]] = []
    try:
        header = next(reader)
        if len(set(header)) < len(header) or not all(name.strip() for name in header):
            raise InvalidInput(
                f"{path.name}:1 names a column twice or not at all: {', '.join(map(repr, header))}.",
                hint="Each column needs a name of its own.",
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise InvalidInput(
                    f"{path.name}:{reader.line_num} has {len(cells)} cells; the header names {len(header)}.",
                    hint='A cell that holds a comma or a line break stands in double quotes: "...".',
                )
            rows.append({name: cell if cell != "" else None for name, cell in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise InvalidInput(f"{path.name}:{reader.line_num} is not CSV: {error}.") from error
    return rows


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Return one dict a row, with the types that the file has."""
    import pyarrow as pa  # noqa: PLC0415 - loads when it is used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loads when it is used

    if not path.is_file():
        raise NotFound(f"The dataset {path} can't be read: there is no such file.")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(f"{path.name} is not a Parquet file: {error}.") from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8 text (byte {error.start}).", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise NotFound(f"The dataset {path} can't be read: {error.strerror}.") from error
