"""`workbench usage settle`: price batches, jobs and reserved hours that have ended; a daily job."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

_SHORT = 12
"""Digits of an id that are shown."""


@click.command()
@click.option("--open", "listed", is_flag=True, help="Only list what waits, and what is kept for each.")
@click.option("--close", "closed", metavar="ID", help="Wait for this one no longer: book what was kept for it.")
@click.option("--usd", type=click.FloatRange(min=0), help="With --close: book so much instead.")
@url_option
@json_option
def settle(*, listed: bool, closed: str | None, usd: float | None, url: str | None, as_json: bool) -> None:
    """Price what is paid after its request: batches, tuned models, hours of reserved capacity.

    Run it daily. It does nothing twice, goes on where another run ended, and two may run at once. Exits with 1 where
    something could not be settled; it stays open for the next run. What a provider never ends is closed by hand:
    --open lists what waits, --close books one.
    """
    from workbench.client.usage_desk import UsageDesk

    if usd is not None and closed is None:
        raise click.UsageError("--usd says what one thing cost: name it with --close ID.")
    if listed and closed is not None:
        raise click.UsageError("--open only lists, and --close books: give one of them.")
    asked = asked_gateway(url)
    desk = UsageDesk(asked.url, asked.token)
    if listed:
        _list(desk.waiting(), as_json=as_json)
        return
    run = desk.settle() if closed is None else desk.close(closed, usd=usd)
    if as_json:
        click.echo(json.dumps(run, indent=2))
    else:
        _tell(run)
    sys.exit(1 if run["problems"] or (closed is not None and not run["settled"]) else 0)


def _tell(run: dict[str, Any]) -> None:
    click.echo(
        f"{run['settled']} settled, {run['rows']} rows of {run['cost_usd']:.6f} USD in all; "
        f"{run['waiting']} have not ended."
    )
    if run["unpriced"]:
        click.echo(f"{run['unpriced']} rows have no price: give their models one under [[prices]].", err=True)
    for problem in run["problems"]:
        click.echo(
            f"not settled: {problem['kind']} {problem['id']} at {problem['provider']}: {problem['message']}", err=True
        )


def _list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("Nothing waits to be settled.")
        return
    from rich.table import Table

    table = Table("id", "kind", "provider", "its id there", "whose", "since", "kept USD", "last seen", box=None)
    for row in rows:
        kept = "" if row["held_usd"] is None else f"{row['held_usd']:.6f}"
        whose = row["use_case"] or row["owner"] or ""
        table.add_row(
            row["id"][:_SHORT], row["kind"], row["provider"], row["upstream_id"], whose, row["created_at"], kept,
            row["note"] or "",
        )  # fmt: skip
    print_table(table)
