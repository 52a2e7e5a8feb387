"""Cells as a table: its columns are a contract with the app, the feedback room and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.errors import InvalidInput
from workbench.evidence import Output
from workbench.experiments.cell import Cell

NUMBERS = ("latency_ms", "cost_usd", "input_tokens", "output_tokens")
COLUMNS = ("candidate", "example_id", "repeat", "output", "error", "request_id", "trace_id", *NUMBERS, "reused")


def cells_frame(cells: Sequence[Cell], scorers: Sequence[str]) -> pd.DataFrame:
    """Return one row a cell.

    `output` is its text, or else its first image (bytes). Where any cell has images, `images` holds all of them.
    """
    rows: list[dict[str, Any]] = []
    pictured = any(cell.answer and cell.answer.output.images for cell in cells)
    for cell in cells:
        answer = cell.answer
        usage = answer.usage if answer else None
        row: dict[str, Any] = {
            "candidate": cell.job.candidate.name,
            "example_id": cell.job.example.id,
            "repeat": cell.job.repeat,
            "output": _shown(answer.output) if answer else None,
            **({"images": list(answer.output.images) if answer else None} if pictured else {}),
            "error": cell.error,
            "request_id": answer.request_id if answer else None,
            "trace_id": cell.trace_id if cell.sent else None,
            "latency_ms": answer.latency_ms if answer else None,
            "cost_usd": answer.cost_usd if answer else None,
            "input_tokens": usage.input_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "reused": cell.reused,
        }
        for name in scorers:
            score = cell.scores.get(name)
            row[f"score.{name}"] = score.value if score else None
            row[f"note.{name}"] = score.note if score else ""
        rows.append(row)
    return tidied(pd.DataFrame(rows, columns=list(rows[0]) if rows else list(COLUMNS)))


def tidied(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers as numbers (NaN: none) and everything else as it came (None: none)."""
    made: dict[str, Any] = {}
    for column in frame.columns:
        if column in NUMBERS or column.startswith("score."):
            made[column] = pd.to_numeric(frame[column], errors="coerce").astype("float64")
        elif column in ("repeat", "reused"):
            made[column] = frame[column].astype("int64" if column == "repeat" else "bool")
        else:
            values = [None if isinstance(value, float) else value for value in frame[column]]
            made[column] = pd.Series(values, index=frame.index, dtype="object")
    return pd.DataFrame(made, columns=frame.columns)


def per_example(frame: pd.DataFrame, column: str, candidate: str) -> pd.Series[float]:
    """Return a candidate's value by example, repeats averaged; NaN where there is none."""
    own = frame[frame["candidate"] == candidate]
    return own.groupby("example_id", sort=False)[column].mean()


def metric_column(frame: pd.DataFrame, metric: str) -> str:
    """Return the column that a metric's name means; raises InvalidInput with the names there are."""
    for column in (f"score.{metric}", metric):
        if column in frame.columns and (column in NUMBERS or column.startswith("score.")):
            return column
    known = [column.removeprefix("score.") for column in frame.columns if column.startswith("score.")]
    raise InvalidInput(f"No metric named {metric!r}.", hint=f"Known: {', '.join([*known, *NUMBERS])}.")


def _shown(output: Output) -> str | bytes | None:
    return output.images[0] if output.text is None and output.images else output.text
