"""What is live, looked at: at a past moment, against the record and MLflow, beside what was live before."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, prompt_dict

FOUND = 3
"""Exit code for what was looked for and found: 1 says that nobody could look."""
_alias_option = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")


@click.command("as-of")
@click.argument("name")
@click.argument("time")
@_alias_option
@json_option
def as_of(name: str, time: str, alias: str, as_json: bool) -> None:
    """Show what was live as NAME's alias at TIME: 2026-11-22T09:00, or 7d for so long ago."""
    from workbench import prompts

    found = prompts.as_of(name, time, alias)
    if as_json:
        print_json(prompt_dict(found))
    else:
        click.echo(f"{found.label} was live as {alias} then\nhash: {found.hash}\n\n{found}")


@click.command()
@click.option(
    "--anchor", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="File that keeps where the record ended: it is held against it, then written anew. Keep it elsewhere.",
)  # fmt: skip
@json_option
def verify(anchor: Path | None, as_json: bool) -> None:
    """Check the whole record, and MLflow's texts, versions and aliases against it.

    Exit code 0: all fits; 3: something differs; 1: it could not be checked.
    """
    from dataclasses import asdict

    from workbench import prompts

    found = prompts.verify(anchor=anchor)
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(str(found))
    sys.exit(FOUND if found.problems else 0)


@click.command()
@click.argument("name")
@_alias_option
@click.option("--tolerance", type=float, default=0.05, show_default=True, help="How much worse does not matter.")
@json_option
def watch(name: str, alias: str, tolerance: float, as_json: bool) -> None:
    """Hold what is live as NAME's alias against what was before.

    Exit code 0: it is not surely worse; 3: it is, so roll back; 1: there was no telling, as when the gateway is away.
    """
    from workbench import prompts

    found = prompts.watch(name, alias, tolerance=tolerance)
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(str(found))
    sys.exit(FOUND if found.proposes_rollback else 0)


COMMANDS = (as_of, verify, watch)
