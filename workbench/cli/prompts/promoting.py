"""What is live: promote with evidence, roll back, tell what was live when, let MLflow's alias follow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, print_promotion, print_table
from workbench.cli.prompts.rollout import rollout

_alias_option = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")
_reason_option = click.option("--reason", required=True, help="Why; it stays in the record.")


@click.command()
@click.argument("name")
@click.argument("version", type=int)
@click.option("--evidence", "run_id", required=True, metavar="RUN", help="MLflow run in which this version answered.")
@click.option("--against", metavar="RUN", help="Run to compare with; default: that of the version that is live.")
@click.option("--gate", "gate_file", type=click.Path(path_type=Path), metavar="FILE", help="TOML file with the rules.")
@click.option("--metric", help="Scorer that decides, where there is no file.")
@click.option(
    "--rule",
    type=click.Choice(["superior", "not_worse", "at_least", "at_most", "win_rate"]),
    default="superior",
    show_default=True,
)
@click.option("--margin", type=float, help="What counts as not worse.")
@click.option("--threshold", type=float, help="What must surely be reached, or kept to.")
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
    gate_file: Path | None,
    reason: str,
    alias: str,
    as_json: bool,
    **rule: Any,
) -> None:
    """Publish VERSION of NAME if the evidence passes the gate; exit code 1 if it does not."""
    from workbench import prompts

    if (gate_file is None) == (rule["metric"] is None):
        raise click.UsageError("Name the rules by --gate FILE, or one rule by --metric.")

    print_promotion(
        prompts.promote(
            name,
            version,
            evidence_run=run_id,
            against=against,
            gate=prompts.Gate(**rule) if gate_file is None else prompts.read_gates(gate_file),
            reason=reason,
            alias=alias,
        ),
        as_json=as_json,
    )


@click.command()
@click.argument("name")
@click.option("--to", type=int, metavar="VERSION", help="A version that was live before; default: the last one.")
@_reason_option
@_alias_option
@json_option
def rollback(name: str, to: int | None, reason: str, alias: str, as_json: bool) -> None:
    """Make live again what was live as NAME's alias before: no gate, no approval."""
    from workbench import prompts

    print_promotion(prompts.rollback(name, to=to, reason=reason, alias=alias), as_json=as_json)


@click.command()
@click.argument("name")
@_alias_option
@json_option
def history(name: str, alias: str, as_json: bool) -> None:
    """List what was live as NAME's alias, newest first."""
    from workbench import prompts

    found = prompts.history(name, alias)
    if as_json:
        print_json(found.to_dict("records"))
        return
    if found.empty:
        click.echo(f"Nothing was published as {name}@{alias}.")
        return
    rows = [
        (f"v{row.version}", row.published_at, row.published_by, _approved(row.approved_by), row.reason,
         _figures(row.evidence))
        for row in found.itertuples()
    ]  # fmt: skip
    print_table(["version", "since", "by", "approved by", "why", "evidence"], rows)


@click.command()
@click.argument("name")
@_alias_option
@json_option
def sync(name: str, alias: str, as_json: bool) -> None:
    """Let MLflow's alias follow what is live, and check MLflow's text; exit code 1 if that was changed."""
    from dataclasses import asdict

    from workbench import prompts

    found = prompts.sync(name, alias)
    if as_json:
        print_json(asdict(found))
    else:
        moved = (
            f"moved from {f'v{found.moved_from}' if found.moved_from else 'nothing'}" if found.moved else "as it was"
        )
        click.echo(f"{name}@{alias} is v{found.version}; MLflow's alias: {moved}.")
        if found.problem:
            click.echo(f"error: {found.problem}", err=True)
    sys.exit(1 if found.problem else 0)


def _approved(names: Any) -> str:
    return ", ".join(names) if isinstance(names, list) else ""


def _figures(evidence: Any) -> str:
    if not isinstance(evidence, dict):
        return ""
    if evidence.get("rollback_to") is not None:
        return "rollback"
    return str(evidence.get("decision") or "")


COMMANDS = (promote, rollback, history, sync, rollout)
