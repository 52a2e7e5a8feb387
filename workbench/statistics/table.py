"""Rows of figures as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

Row = Mapping[str, object]


def text_table(rows: Sequence[Row]) -> str:
    """Return rows as aligned text; the columns are those of the first row."""
    head, cells = _cells(rows)
    widths = [max(len(line[at]) for line in [head, *cells]) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in [head, *cells])
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(rows: Sequence[Row], *, footer: Sequence[str] = ()) -> str:
    """Return rows as an HTML table with lines of text below it; everything is escaped."""
    head, cells = _cells(rows)
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in cells)
    below = "".join(f"<p>{html.escape(line)}</p>" for line in footer)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{below}"


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    head = list(rows[0]) if rows else []
    return head, [[_shown(row[name]) for name in head] for row in rows]


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
