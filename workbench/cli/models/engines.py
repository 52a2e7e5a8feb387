"""`workbench models ps | start | stop`: the embedded models that a gateway has in memory."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.model_desk import ModelDesk


@click.command()
@url_option
@json_option
def ps(*, url: str | None, as_json: bool) -> None:
    """Show the embedded models that are in memory: what each takes, since when, and its pace."""
    rows = model_desk(url).engines()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("No embedded model is in memory; the first call to one, or `workbench models start NAME`, loads it.")
        return
    from rich.table import Table

    table = Table("model", "task", "memory", "up", "tokens/s", "pid", box=None, pad_edge=False)
    for row in rows:
        memory = "?" if row["memory_bytes"] is None else f"{row['memory_bytes'] / 1e6:.0f} MB"
        speed = "" if row["tokens_per_second"] is None else f"{row['tokens_per_second']:.1f}"
        table.add_row(row["name"], row["task"], memory, _since(row["since"]), speed, str(row["pid"]))
    print_table(table)


@click.command()
@click.argument("name")
@url_option
def start(*, name: str, url: str | None) -> None:
    """Load the embedded model NAME now, rather than with its first call."""
    row = model_desk(url).start(name)
    memory = "" if row["memory_bytes"] is None else f", {row['memory_bytes'] / 1e6:.0f} MB"
    click.echo(f"{row['name']} is in memory{memory}.")


@click.command()
@click.argument("name")
@url_option
def stop(*, name: str, url: str | None) -> None:
    """Take the embedded model NAME out of memory; its next call loads it again."""
    stopped = model_desk(url).stop(name)
    click.echo(f"{name} is out of memory." if stopped else f"{name} was not in memory.")


def model_desk(url: str | None) -> ModelDesk:
    """Return the desk of the gateway that is meant."""
    from workbench.client.model_desk import ModelDesk

    asked = asked_gateway(url)
    return ModelDesk(asked.url, asked.token)


def _since(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
