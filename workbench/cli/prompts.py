"""`workbench prompts`: register, show and compare versions, promote with evidence, roll back, repair the alias."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option

if TYPE_CHECKING:
    from workbench.prompts import Promotion, Prompt

_alias_option = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")
_reason_option = click.option("--reason", required=True, help="Why; it stays in the record.")


@click.group()
def command() -> None:
    """Register, show, promote and list prompts."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the prompts, with their latest version and MLflow's aliases."""
    from workbench import tracking

    tracker = tracking.connect()
    rows: list[dict[str, Any]] = []
    for name in tracker.list_prompts():
        found = tracker.list_prompt_versions(name)
        aliases = tracker.aliases(name)
        rows.append(
            {
                "name": name,
                "latest": found[0].version if found else None,
                "aliases": aliases,
                "message": found[0].message if found else None,
            }
        )
    if as_json:
        _print_json(rows)
        return
    if not rows:
        click.echo("No prompts yet. `workbench prompts register NAME --file FILE` makes one.")
        return
    shown = [
        (row["name"], f"v{row['latest']}", ", ".join(f"{a} v{v}" for a, v in row["aliases"].items()), row["message"])
        for row in rows
    ]
    _print_table(["prompt", "latest", "aliases", "what changed"], shown)


@command.command()
@click.argument("prompt")
@json_option
def show(prompt: str, as_json: bool) -> None:
    """Show PROMPT: NAME, NAME@3 or NAME@production."""
    from workbench import prompts

    found = prompts.load(prompt)
    if as_json:
        _print_json(_as_dict(found))
        return
    click.echo(f"{found.label}{f', live as {found.alias}' if found.alias else ''}")
    if found.message:
        click.echo(found.message)
    click.echo(f"variables: {', '.join(found.variables) or 'none'}")
    if found.parameters:
        click.echo(f"parameters: {json.dumps(dict(found.parameters), ensure_ascii=False)}")
    if found.schema:
        click.echo(f"schema: {json.dumps(found.schema, ensure_ascii=False)}")
    click.echo(f"hash: {found.hash}\n\n{found}")


@command.command()
@click.argument("name")
@click.argument("a")
@click.argument("b")
@json_option
def diff(name: str, a: str, b: str, as_json: bool) -> None:
    """Show what changed in NAME from A to B: versions or aliases. Exit code 1 if anything did."""
    from workbench import prompts

    found = prompts.diff(f"{name}@{a}", f"{name}@{b}")
    if as_json:
        _print_json(found.as_dict())
    else:
        click.echo(str(found))
    sys.exit(1 if found else 0)


@command.command()
@click.argument("name")
@click.option("--file", "path", type=click.Path(path_type=Path), required=True, help="Text, JSON or TOML.")
@click.option("--message", help="What changed.")
@click.option("--parameter", "-p", "given", multiple=True, metavar="KEY=VALUE", help="temperature=0, model=...")
@json_option
def register(name: str, path: Path, message: str | None, given: tuple[str, ...], as_json: bool) -> None:
    """Register a version of NAME from a file; what is identical to the latest version makes no new one."""
    from workbench import prompts
    from workbench.prompts.prompt_file import read_prompt

    draft = read_prompt(name, path)
    kept = prompts.register(
        name,
        draft.template,
        parameters={**draft.parameters, **dict(map(_parameter, given))},
        schema=draft.schema,
        message=message,
    )
    if as_json:
        _print_json(_as_dict(kept))
    else:
        click.echo(f"{kept.label}, variables: {', '.join(kept.variables) or 'none'}")


@command.command()
@click.argument("name")
@click.argument("version", type=int)
@click.option("--evidence", "run_id", required=True, metavar="RUN", help="MLflow run in which this version answered.")
@click.option("--against", metavar="RUN", help="Run to compare with; default: that of the version that is live.")
@click.option("--metric", required=True, help="Scorer that decides.")
@click.option("--rule", type=click.Choice(["superior", "not_worse", "at_least"]), default="superior", show_default=True)
@click.option("--margin", type=float, help="What counts as not worse.")
@click.option("--threshold", type=float, help="What the mean must surely reach, for at_least.")
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--min-examples", type=int, default=10, show_default=True)
@_reason_option
@_alias_option
@json_option
def promote(
    name: str,
    version: int,
    *,
    run_id: str,
    against: str | None,
    reason: str,
    alias: str,
    as_json: bool,
    **gate: Any,
) -> None:
    """Publish VERSION of NAME if the evidence passes the gate; exit code 1 if it does not."""
    from workbench import prompts

    _print_promotion(
        prompts.promote(
            name,
            version,
            evidence_run=run_id,
            against=against,
            gate=prompts.Gate(**gate),
            reason=reason,
            alias=alias,
        ),
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@click.option("--to", type=int, required=True, metavar="VERSION", help="A version that was live before.")
@_reason_option
@_alias_option
@json_option
def rollback(name: str, to: int, reason: str, alias: str, as_json: bool) -> None:
    """Publish a version of NAME again that was live before."""
    from workbench import prompts

    _print_promotion(prompts.rollback(name, to=to, reason=reason, alias=alias), as_json=as_json)


@command.command()
@click.argument("name")
@_alias_option
@json_option
def history(name: str, alias: str, as_json: bool) -> None:
    """List what was live as NAME's alias, newest first."""
    from workbench import prompts

    found = prompts.history(name, alias)
    if as_json:
        _print_json(found.to_dict("records"))
        return
    if found.empty:
        click.echo(f"Nothing was published as {name}@{alias}.")
        return
    rows = [
        (f"v{row.version}", row.published_at, row.published_by, row.reason, _figures(row.evidence))
        for row in found.itertuples()
    ]
    _print_table(["version", "since", "by", "why", "evidence"], rows)


@command.command()
@click.argument("name")
@_alias_option
@json_option
def sync(name: str, alias: str, as_json: bool) -> None:
    """Let MLflow's alias follow what is live, and check MLflow's text; exit code 1 if that was changed."""
    from dataclasses import asdict

    from workbench import prompts

    found = prompts.sync(name, alias)
    if as_json:
        _print_json(asdict(found))
    else:
        moved = (
            f"moved from {f'v{found.moved_from}' if found.moved_from else 'nothing'}" if found.moved else "as it was"
        )
        click.echo(f"{name}@{alias} is v{found.version}; MLflow's alias: {moved}.")
        if found.problem:
            click.echo(f"error: {found.problem}", err=True)
    sys.exit(1 if found.problem else 0)


def _parameter(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="--parameter")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _as_dict(prompt: Prompt) -> dict[str, Any]:
    keys = ("name", "version", "alias", "template", "parameters", "schema", "message", "variables", "hash")
    return {key: getattr(prompt, key) for key in keys}


def _figures(evidence: Any) -> str:
    if not isinstance(evidence, dict):
        return ""
    if evidence.get("rollback_to") is not None:
        return "rollback"
    return str(evidence.get("decision") or "")


def _print_promotion(promotion: Promotion, *, as_json: bool) -> None:
    if as_json:
        keys = ("name", "alias", "version", "previous_version", "reason", "alias_follows", "note", "record")
        decision = promotion.decision.reason if promotion.decision else None
        _print_json({**{key: getattr(promotion, key) for key in keys}, "decision": decision})
    else:
        click.echo(str(promotion))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _print_table(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(markup=False).print(table)  # a figure's [low, high] is no markup
