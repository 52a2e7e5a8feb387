"""How a result reads: as text in a terminal, as HTML in a notebook, as JSON for a program."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.experiments.results.run_info import Bounds, RunInfo

_NUMERIC = 'style="text-align:right;white-space:nowrap"'


def as_text(
    heading: str,
    experiment_id: str,
    table: pd.DataFrame,
    scorers: Mapping[str, Bounds],
    comparisons: list[pd.DataFrame],
) -> str:
    """Return the result as plain text."""
    shown = _shown(table, scorers)
    return "\n".join([heading, "", shown.to_string(), "", *_sentences(comparisons), f"experiment id {experiment_id}"])


def as_html(
    heading: str,
    experiment_id: str,
    table: pd.DataFrame,
    scorers: Mapping[str, Bounds],
    comparisons: list[pd.DataFrame],
) -> str:
    """Return the result as HTML; everything that stands in it is escaped."""
    shown = _shown(table, scorers)
    head = "".join(f"<th {_NUMERIC}>{html.escape(column)}</th>" for column in shown.columns)
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(str(name))}</th>'
        + "".join(f"<td {_NUMERIC}>{html.escape(value)}</td>" for value in row)
        + "</tr>"
        for name, row in zip(shown.index, shown.to_numpy(), strict=True)
    )
    sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in _sentences(comparisons))
    return (
        f"<p><b>{html.escape(heading)}</b></p><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>Means with 95% intervals.</p><ul>{sentences}</ul><p><small>experiment id <code>"
        f"{html.escape(experiment_id)}</code></small></p>"
    )


def candidates_as_json(
    candidates: Sequence[RunInfo], table: pd.DataFrame, scorers: Mapping[str, Bounds]
) -> list[dict[str, Any]]:
    """Return the candidates with their figures as JSON values."""
    made = []
    for candidate in candidates:
        row: dict[Any, Any] = table.loc[candidate.name].to_dict()
        made.append(
            {
                "name": candidate.name,
                "run_id": candidate.run_id,
                "prompt": candidate.prompt,
                "prompt_version": candidate.prompt_version,
                "model": candidate.model,
                "n": int(row["n"]),
                "failed": int(row["failed"]),
                "reused": int(row["reused"]),
                "scores": {
                    name: {
                        "mean": _number(row[f"score.{name}"]),
                        "low": _number(row[f"score.{name}.low"]),
                        "high": _number(row[f"score.{name}.high"]),
                        "n": int(row[f"score.{name}.n"]),
                        "unit": row[f"score.{name}.unit"],
                        "units": int(row[f"score.{name}.units"]),
                    }
                    for name in scorers
                },
                "cost_usd": _number(row["cost_usd"]),
                "latency_ms": {"p50": _number(row["latency_ms_p50"]), "p95": _number(row["latency_ms_p95"])},
                "input_tokens": _number(row["input_tokens"]),
                "output_tokens": _number(row["output_tokens"]),
            }
        )
    return made


def rows_as_json(tables: Iterable[pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the rows of comparisons as JSON values."""
    return [
        {str(key): _number(value) if isinstance(value, float) else value for key, value in row.items()}
        for table in tables
        for row in table.reset_index()
        .astype({"n": object, "units": object, "excluded": object})
        .to_dict(orient="records")
    ]


def _shown(table: pd.DataFrame, scorers: Mapping[str, Bounds]) -> pd.DataFrame:
    """Return the table as people read it."""
    made: dict[str, list[str]] = {"n": [], "failed": [], **{name: [] for name in scorers}}
    made |= {"cost": [], "p50": [], "p95": [], "tokens in": [], "tokens out": []}
    for _, row in table.iterrows():
        for column in ("n", "failed"):
            made[column].append(str(int(row[column])))
        for name in scorers:
            mean, low, high = (row[f"score.{name}{end}"] for end in ("", ".low", ".high"))
            units = units_of(row, f"score.{name}")
            made[name].append("none" if math.isnan(mean) else f"{mean:.3g} [{low:.2f}, {high:.2f}] {units}")
        cost = row["cost_usd"]
        made["cost"].append("unknown" if math.isnan(cost) else f"${cost:.6f}")
        for percent in ("p50", "p95"):
            latency = row[f"latency_ms_{percent}"]
            made[percent].append("" if math.isnan(latency) else f"{latency / 1000:.2f} s")
        for column, key in (("tokens in", "input_tokens"), ("tokens out", "output_tokens")):
            made[column].append("unknown" if math.isnan(row[key]) else f"{int(row[key]):,}")
    return pd.DataFrame(made, index=table.index)


def _sentences(comparisons: Iterable[pd.DataFrame]) -> list[str]:
    return [
        f"{name} against {row['baseline']} on {row['metric']}: {row['verdict']}"
        f" ({row['difference']:+.3g} [{row['low']:+.2f}, {row['high']:+.2f}], p={row['p_value']:.2g}, {units_of(row)})"
        for table in comparisons
        for name, row in table.iterrows()
    ]


def units_of(row: pd.Series[Any], key: str = "") -> str:
    """Return how many examples a figure is about, and how many groups where those are what is independent."""
    dot = f"{key}." if key else ""
    count, unit, units = row[f"{dot}n"], row[f"{dot}unit"], row[f"{dot}units"]
    return f"n={count}" if unit == "example" else f"n={count} in {units} {unit}s"


def _number(value: float) -> float | None:
    return None if math.isnan(value) or math.isinf(value) else float(value)
