"""`workbench usage prices`: which prices hold, where each comes from, and since when."""

from __future__ import annotations

import json

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option


@click.command()
@click.argument("model", required=False)
@url_option
@json_option
def prices(*, model: str | None, url: str | None, as_json: bool) -> None:
    """Show the prices of MODEL, or of all: US dollars per million tokens; the one in force is marked."""
    from workbench.client.usage_desk import UsageDesk

    asked = asked_gateway(url)
    rows = UsageDesk(asked.url, asked.token).prices(model)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    table = Table(
        "model", "deployment", "", "from", "input", "output", "cached", "where from", box=None, pad_edge=False
    )
    for row in rows:
        told = row["prices"] or [{}]
        for price in told:
            cells = [price.get(name) for name in ("input", "output", "cached_input")]
            table.add_row(
                row["model"],
                row["deployment"],
                "*" if price.get("in_force") else "",
                price.get("from") or "",
                *("?" if cell is None else f"{cell:g}" for cell in cells),
                price.get("version") or price.get("source") or "no price is known",
            )
    print_table(table)
