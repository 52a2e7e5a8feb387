"""The first rows that were asked, as a table, and in words what they cost and what the others will."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from workbench.client.models import dollars
from workbench.experiments.cells.cell import Cell
from workbench.experiments.runs.estimate import Estimate
from workbench.interactive.live import Output, in_notebook

_SHOWN = 300
_CELL = 'style="text-align:left;vertical-align:top;white-space:pre-wrap"'


def show_preview(cells: Sequence[Cell], expected: Estimate, refusal: str | None, *, rows: int) -> None:
    """Show what some rows were answered, and what is to come."""
    told = _told(cells, expected, refusal, rows=rows)
    if in_notebook():
        Output().show({"text/html": _table(cells) + f"<p>{html.escape(told)}</p>", "text/plain": told})
    else:
        print(told)  # noqa: T201 - a terminal has no other place for it


def _told(cells: Sequence[Cell], expected: Estimate, refusal: str | None, *, rows: int) -> str:
    costs = [cell.answer.cost_usd for cell in cells if cell.answer is not None and cell.answer.cost_usd is not None]
    known = dollars(sum(costs)) if len(costs) == len(cells) else "an unknown amount"
    told = [f"{len(cells)} of {rows} rows cost {known}."] if cells else [f"{rows} rows."]
    if refusal is not None:
        told.append(f"{refusal.capitalize()}.")
    elif expected.rows:
        amount = "an unknown amount" if expected.usd is None else dollars(expected.usd)
        told.append(f"{expected.rows} more are asked now and cost about {amount}.")
    return " ".join(told)


def _table(cells: Sequence[Cell]) -> str:
    if not cells:
        return ""
    lines = "".join(
        f"<tr><td {_CELL}>{_inputs(cell)}</td><td {_CELL}>{_short(cell.answer.output.text if cell.answer else '')}</td>"
        f"<td {_CELL}>{_cost(cell)}</td></tr>"
        for cell in cells
    )
    return f"<table><thead><tr><th>row</th><th>output</th><th>cost</th></tr></thead><tbody>{lines}</tbody></table>"


def _inputs(cell: Cell) -> str:
    return "<br>".join(f"<b>{html.escape(name)}</b> {_short(value)}" for name, value in cell.job.example.inputs.items())


def _cost(cell: Cell) -> str:
    cost = cell.answer.cost_usd if cell.answer else None
    paid = " (kept)" if cell.reused else ""
    return "unknown" if cost is None else html.escape(dollars(cost)) + paid


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return html.escape(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
