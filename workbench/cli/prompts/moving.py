"""Prompts as files under version control: write them, register them, check that both agree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json

if TYPE_CHECKING:
    from workbench.prompts import FileReport

_directory = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))


@click.command("export")
@_directory
@click.option("--folder", metavar="NAME", help="Only prompts below it.")
@click.option("--match", metavar="PATTERN", help="Only names that fit a shell pattern; * crosses dots.")
@click.option("--alias", metavar="ALIAS", help="What is live under it, instead of the latest version.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file differs.")
@json_option
def export(
    directory: Path, *, folder: str | None, match: str | None, alias: str | None, check: bool, as_json: bool
) -> None:
    """Write the prompts into DIRECTORY, a TOML file each, in folders by the dots of their names."""
    from workbench import prompts

    _told(prompts.export_files(directory, folder=folder, match=match, alias=alias, check=check), check, as_json)


@click.command("import")
@_directory
@click.option("--message", help="What changed, for files that do not say.")
@click.option(
    "--check", is_flag=True, help="Register nothing; exit code 1 if a file says other than the latest version."
)
@json_option
def import_(directory: Path, *, message: str | None, check: bool, as_json: bool) -> None:
    """Register what the files of DIRECTORY say; what a version says already makes no new one."""
    from workbench import prompts

    _told(prompts.import_files(directory, message=message, check=check), check, as_json)


def _told(report: FileReport, check: bool, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(str(report))
    sys.exit(1 if check and not report else 0)


COMMANDS = (export, import_)
