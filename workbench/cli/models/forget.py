"""`workbench models forget`: take away a model that was added to a running gateway."""

from __future__ import annotations

import click

from workbench.cli.models.engines import model_desk
from workbench.cli.which_gateway import url_option


@click.command()
@click.argument("name")
@url_option
def forget(*, name: str, url: str | None) -> None:
    """Take away NAME, which `workbench models add` registered; its provider and its weights stay."""
    model_desk(url).forget(name)
    click.echo(f"{name} is forgotten; nobody can call it any more.")
