"""`workbench experiment list`, `show` and `report`: what MLflow holds of experiments."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table


@click.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Experiments to show.")
@json_option
def list_(limit: int, *, as_json: bool) -> None:
    """List the newest experiments."""
    from workbench import experiments

    found = experiments.recent(limit)
    if as_json:
        rows = [{**vars(each), "started_at": each.started_at.isoformat()} for each in found]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("No experiments yet. `workbench experiment run exp.toml` makes one.")
        return
    from rich.table import Table

    table = Table("id", "experiment", "began", "candidates", box=None, pad_edge=False)
    for each in found:
        began = each.started_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(each.experiment_id, each.name, began, ", ".join(each.runs))
    print_table(table)


@click.command()
@click.argument("experiment_id")
@click.option("--baseline", help="The candidate to compare with; default: the first.")
@json_option
def show(experiment_id: str, *, baseline: str | None, as_json: bool) -> None:
    """Show the figures of an experiment, with intervals and comparisons."""
    from workbench import experiments

    found = experiments.load(experiment_id)
    if as_json:
        click.echo(json.dumps(found.as_dict(baseline=baseline), indent=2, ensure_ascii=False))
        return
    click.echo(found.as_text(baseline=baseline))
    lost = found.failures()
    if len(lost):
        click.echo(f"\n{len(lost)} without a figure, the first:")
        click.echo(lost[["candidate", "example_id", "what", "why"]].head(5).to_string(index=False))


@click.command()
@click.argument("experiment_id")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def report(experiment_id: str, file: Path) -> None:
    """Write an experiment as one HTML FILE that needs no network."""
    from workbench import experiments

    click.echo(str(experiments.load(experiment_id).report(file)))


COMMANDS = (list_, show, report)
