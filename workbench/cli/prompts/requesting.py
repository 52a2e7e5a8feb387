"""The way of a promotion that somebody else must approve: gate, request, evidence, approval, publication."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, print_promotion, print_table

if TYPE_CHECKING:
    from workbench.prompts import PromotionRequest

_alias_option = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")
_gate_option = click.option(
    "--gate", "gate", type=click.Path(path_type=Path), required=True, metavar="FILE", help="TOML file with the rules."
)
_run_option = click.option("--evidence", "run_id", metavar="RUN", help="MLflow run in which this version answered.")
_against_option = click.option(
    "--against", metavar="RUN", help="Run to compare with; default: that of the version that is live."
)


@click.command("register-gate")
@click.argument("name")
@_gate_option
@click.option("--reason", default="", help="What it is for.")
@json_option
def register_gate(name: str, gate: Path, reason: str, as_json: bool) -> None:
    """Write a gate for NAME down in the gateway's record, before the run that it will decide on."""
    from workbench import prompts

    record = prompts.register_gate(name, gate, reason=reason)
    if as_json:
        print_json(record)
    else:
        click.echo(f"{prompts.read_gates(gate)}\nregistered for {name} at {record['at']} by {record['by']}")


@click.command()
@click.argument("name")
@click.argument("version", type=int)
@_gate_option
@_run_option
@_against_option
@click.option("--reason", required=True, help="Why; it stays in the record.")
@_alias_option
@json_option
def request(
    name: str,
    version: int,
    *,
    gate: Path,
    run_id: str | None,
    against: str | None,
    reason: str,
    alias: str,
    as_json: bool,
) -> None:
    """Ask that VERSION of NAME become live; exit code 1 if the gate refuses its evidence.

    Without --evidence the gate is registered by the request, and `workbench prompts gate` follows after the run.
    """
    from workbench import prompts

    _tell(
        prompts.request(
            name, version, gate=gate, reason=reason, evidence_run=run_id, against=against, alias=alias
        ),
        as_json=as_json,
    )  # fmt: skip


@click.command("gate")
@click.argument("number", type=int)
@click.option("--evidence", "run_id", required=True, metavar="RUN", help="MLflow run in which this version answered.")
@_against_option
@click.option(
    "--gate", "gate", type=click.Path(path_type=Path), metavar="FILE", help="The gate; it must be the one asked with."
)
@json_option
def weigh(number: int, run_id: str, against: str | None, gate: Path | None, as_json: bool) -> None:
    """Let the gate of request NUMBER decide on a run; exit code 1 if it refuses."""
    from workbench import prompts

    _tell(prompts.bring_evidence(number, evidence_run=run_id, against=against, gate=gate), as_json=as_json)


@click.command("requests")
@click.argument("name", required=False)
@click.option("--state", help="asked, passed, refused, approved, published, rejected or withdrawn.")
@json_option
def list_(name: str | None, state: str | None, as_json: bool) -> None:
    """List the requests, newest first."""
    from workbench import prompts

    found = prompts.requests(name, state=state)
    if as_json:
        print_json([each.told for each in found])
        return
    if not found:
        click.echo("No requests.")
        return
    rows = [
        (each.id, f"{each.name}@{each.alias}", f"v{each.version}", "stale" if each.stale else each.state,
         each.asked_by, ", ".join(each.approved_by), each.next_step)
        for each in found
    ]  # fmt: skip
    print_table(["request", "prompt", "version", "state", "asked by", "approved by", "now"], rows)


@click.command("show-request")
@click.argument("number", type=int)
@json_option
def show(number: int, as_json: bool) -> None:
    """Show request NUMBER: the rules, what the gate said, and everything that happened."""
    from workbench import prompts

    found = prompts.find_request(number)
    if as_json:
        print_json(found.told)
        return
    click.echo(f"{found}\nwhy: {found.reason}\nhash: {found.hash}\n\n{found.gates}\n")
    for each in found.other_gates:
        click.echo(f"asked before with other rules: request {each['request']}, gate {each['gates_hash'][:12]}")
    print_table(["", "by", "at", "said"], [(e["action"], e["by"], e["at"], e["text"]) for e in found.events])


@click.command()
@click.argument("number", type=int)
@click.option("--why", default="", help="What you looked at.")
@json_option
def approve(number: int, why: str, as_json: bool) -> None:
    """Approve request NUMBER, once its figures were computed again; nobody approves their own."""
    from workbench import prompts

    _tell(prompts.approve(number, why=why), as_json=as_json)


@click.command()
@click.argument("number", type=int)
@click.option("--why", required=True, help="Why not.")
@json_option
def reject(number: int, why: str, as_json: bool) -> None:
    """Reject request NUMBER, for good."""
    from workbench import prompts

    _tell(prompts.reject(number, why), as_json=as_json)


@click.command()
@click.argument("number", type=int)
@click.option("--why", default="", help="Why.")
@json_option
def withdraw(number: int, why: str, as_json: bool) -> None:
    """Take request NUMBER back; who asked may."""
    from workbench import prompts

    _tell(prompts.withdraw(number, why), as_json=as_json)


@click.command()
@click.argument("number", type=int)
@click.argument("text")
@json_option
def comment(number: int, text: str, as_json: bool) -> None:
    """Say TEXT about request NUMBER."""
    from workbench import prompts

    _tell(prompts.comment(number, text), as_json=as_json)


@click.command()
@click.argument("number", type=int)
@json_option
def publish(number: int, as_json: bool) -> None:
    """Make live what request NUMBER asks for, once its gate and its reviewers let it pass."""
    from workbench import prompts

    print_promotion(prompts.publish(number), as_json=as_json)


def _tell(found: PromotionRequest, *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = dict(found.told)
        print_json(told)
    else:
        click.echo(str(found))
    sys.exit(1 if found.state == "refused" else 0)


COMMANDS = (register_gate, request, weigh, list_, show, approve, reject, withdraw, comment, publish)
