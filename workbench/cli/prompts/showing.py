"""What is there: list the prompts, show one, tell where its versions come from."""

from __future__ import annotations

import json
import warnings
from typing import Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, print_table, prompt_dict


@click.command("list")
@click.option("--folder", metavar="NAME", help="Only those below it: `support` holds support.summary.")
@click.option("--match", metavar="PATTERN", help="Only names that fit a shell pattern; * crosses dots.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only those with this tag; may be repeated.")
@click.option("--tree", "as_tree", is_flag=True, help="Show the folders that the dots of names make.")
@json_option
def list_(folder: str | None, match: str | None, tags: tuple[str, ...], as_tree: bool, as_json: bool) -> None:
    """List the prompts, with their latest version and MLflow's aliases."""
    from workbench import prompts, tracking
    from workbench.prompts.folder import tree

    tracker = tracking.connect()
    found = prompts.names(folder=folder, match=match, tags=dict(map(key_and_value, tags)), tracker=tracker)
    if as_tree and not as_json:
        click.echo("\n".join(tree(found)) or "No such prompts.")
        return
    rows: list[dict[str, Any]] = []
    for name in found:
        versions = tracker.list_prompt_versions(name)
        rows.append(
            {
                "name": name,
                "latest": versions[0].version if versions else None,
                "aliases": tracker.aliases(name),
                "tags": tracker.prompt_tags(name),
                "message": versions[0].message if versions else None,
            }
        )
    if as_json:
        print_json(rows)
        return
    if not rows:
        none = "No such prompts." if folder or match or tags else "No prompts yet."
        click.echo(f"{none} `workbench prompts register NAME --file FILE` makes one.")
        return
    shown = [
        (
            row["name"],
            f"v{row['latest']}",
            ", ".join(f"{a} v{v}" for a, v in row["aliases"].items()),
            ", ".join(f"{key}={value}" for key, value in row["tags"].items()),
            row["message"],
        )
        for row in rows
    ]
    print_table(["prompt", "latest", "aliases", "tags", "what changed"], shown)


@click.command()
@click.argument("prompt")
@json_option
def show(prompt: str, as_json: bool) -> None:
    """Show PROMPT: NAME, NAME@3 or NAME@production."""
    from workbench import prompts

    found = prompts.load(prompt)
    if as_json:
        print_json(prompt_dict(found))
        return
    click.echo(f"{found.label}{f', live as {found.alias}' if found.alias else ''}")
    if found.message:
        click.echo(found.message)
    click.echo(f"variables: {', '.join(map(found.described, found.variables)) or 'none'}")
    if found.format != "braces":
        click.echo(f"format: {found.format}")
    if found.parameters:
        click.echo(f"parameters: {json.dumps(dict(found.parameters), ensure_ascii=False)}")
    if found.schema:
        click.echo(f"schema: {json.dumps(found.schema, ensure_ascii=False)}")
    if found.few_shot:
        click.echo(f"examples: {len(found.few_shot.shots)}, about {found.few_shot.tokens} tokens")
    click.echo(f"hash: {found.hash}\n\n{found}")


@click.command()
@click.argument("name")
@json_option
def lineage(name: str, as_json: bool) -> None:
    """Tell where the versions of NAME come from, and which runs and promotions used them."""
    from workbench import prompts

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = prompts.lineage(name)
    for warning in told:
        click.echo(f"warning: {warning.message}", err=True)
    if as_json:
        print_json(json.loads(found.to_json(orient="records", date_format="iso")))
        return
    rows = [_lineage_row(row) for row in found.to_dict("records")]
    print_table(["version", "made of", "by way of", "by", "when", "runs", "live", "what changed"], rows)


def _lineage_row(row: dict[Any, Any]) -> tuple[Any, ...]:
    live = ", ".join(row["live"] or ()) or (f"{row['published']} times" if row["published"] else "")
    when = f"{row['created_at']:%Y-%m-%d %H:%M}" if row["created_at"] is not None else ""
    told = (f"v{row['version']}", row["parent"], row["origin"], row["made_by"], when, len(row["runs"]))
    return (*told, live, row["message"])


def key_and_value(text: str) -> tuple[str, str]:
    """Return the parts of KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE.")
    return key, value


COMMANDS = (list_, show, lineage)
