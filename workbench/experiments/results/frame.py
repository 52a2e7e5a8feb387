"""Cells as a table: its columns are a contract with the app, the feedback room and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.errors import InvalidInput
from workbench.evidence import Output
from workbench.experiments.cells.cell import Cell

GROUP = "group"
"""Column of what several examples share, and the name of that unit."""
JUDGED = "judge_cost_usd"
NUMBERS = ("latency_ms", "cost_usd", "input_tokens", "output_tokens")
COLUMNS = ("candidate", "example_id", "repeat", "output", "error", "request_id", "trace_id", *NUMBERS, "reused")


def cells_frame(cells: Sequence[Cell], scorers: Sequence[str]) -> pd.DataFrame:
    """Return one row a cell.

    `output` is its text, or else its first image (bytes). Where any cell has images, `images` holds all of them; where
    any example has a group, `group` tells it; where any judge was paid in this run, `judge_cost_usd` tells what.
    """
    rows: list[dict[str, Any]] = []
    pictured = any(cell.answer and cell.answer.output.images for cell in cells)
    grouped = any(cell.job.example.group is not None for cell in cells)
    judged = any(score.cost_usd is not None for cell in cells for score in cell.scores.values())
    for cell in cells:
        answer = cell.answer
        usage = answer.usage if answer else None
        row: dict[str, Any] = {
            "candidate": cell.job.candidate.name,
            "example_id": cell.job.example.id,
            **({GROUP: cell.job.example.group} if grouped else {}),
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
            **({JUDGED: sum(score.cost_usd or 0.0 for score in cell.scores.values())} if judged else {}),
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
        if column in (*NUMBERS, JUDGED) or column.startswith("score."):
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


def is_grouped(frame: pd.DataFrame) -> bool:
    """Whether examples share groups, which are then what is taken as independent."""
    return GROUP in frame.columns and bool(frame[GROUP].notna().any())


def clusters_of(frame: pd.DataFrame, examples: pd.Index[Any]) -> list[str] | None:
    """Return the group of each of these examples; one without is a cluster of its own.

    None where no example has a group, or all share one: that tells nothing of other groups, and the unit of a figure
    is the example.
    """
    if not is_grouped(frame):
        return None
    groups = frame.drop_duplicates("example_id").set_index("example_id")[GROUP]
    found = [
        f"group {group}" if isinstance(group, str) else f"example {example}"
        for example, group in groups.reindex(examples).items()
    ]
    return found if len(set(found)) > 1 else None


def metrics_of(frame: pd.DataFrame) -> list[str]:
    """Return the names of all metrics: scorers first, then the numbers of every cell."""
    scorers = [str(column).removeprefix("score.") for column in frame.columns if str(column).startswith("score.")]
    return [*scorers, *(name for name in NUMBERS if name not in scorers)]


def metric_column(frame: pd.DataFrame, metric: str) -> str:
    """Return the column that a metric's name means; raises InvalidInput with the names there are."""
    for column in (f"score.{metric}", metric):
        if column in frame.columns and (column in NUMBERS or column.startswith("score.")):
            return column
    raise InvalidInput(f"No metric named {metric!r}.", hint=f"Known: {', '.join(metrics_of(frame))}.")


def _shown(output: Output) -> str | bytes | None:
    return output.images[0] if output.text is None and output.images else output.text
