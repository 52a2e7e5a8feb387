"""How the commands of prompts print: JSON for a machine, tables for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from workbench.cli import tables

if TYPE_CHECKING:
    from workbench.prompts import Promotion, Prompt


def prompt_dict(prompt: Prompt) -> dict[str, Any]:
    """Return a prompt as JSON."""
    keys = ("name", "version", "alias", "template", "parameters", "schema", "message", "variables", "form", "hash")
    return {key: getattr(prompt, key) for key in keys}


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print rows under the names of their columns."""
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    tables.print_table(table)


def print_promotion(promotion: Promotion, *, as_json: bool) -> None:
    """Print what became live."""
    if as_json:
        keys = ("name", "alias", "version", "previous_version", "reason", "alias_follows", "note", "record")
        decision = promotion.decision.reason if promotion.decision else None
        print_json({**{key: getattr(promotion, key) for key in keys}, "decision": decision})
    else:
        click.echo(str(promotion))
