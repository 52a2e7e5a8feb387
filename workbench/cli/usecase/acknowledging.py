"""The text on risks: show it, and acknowledge it."""

from __future__ import annotations

import json

import click

from workbench.cli.options import json_option
from workbench.cli.usecase.showing import desk
from workbench.cli.which_gateway import url_option


@click.command()
@url_option
@json_option
def risks(*, url: str | None, as_json: bool) -> None:
    """Show the text on risks that is in force."""
    told = desk(url).risks()
    if as_json:
        click.echo(json.dumps(told))
    elif told["version"] is None:
        click.echo("Nothing needs to be acknowledged here.")
    else:
        click.echo(told["text"])
        at = told["acknowledged_at"]
        way = f"`workbench usecase acknowledge {told['version']}` says that you have read it"
        click.echo(f"Version {told['version']}; {f'you acknowledged it at {at}' if at else way}.", err=True)


@click.command()
@click.argument("version")
@url_option
@json_option
def acknowledge(*, version: str, url: str | None, as_json: bool) -> None:
    """Acknowledge VERSION of the text on risks."""
    told = desk(url).acknowledge(version)
    if as_json:
        click.echo(json.dumps({"version": told["version"], "acknowledged_at": told["acknowledged_at"]}))
    else:
        click.echo(f"Version {told['version']} is acknowledged.")


COMMANDS = (risks, acknowledge)
