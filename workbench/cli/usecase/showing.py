"""What is told of use cases: one line each, or the whole of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.use_case_desk import UseCaseDesk

_STATES = ("draft", "submitted", "in_review", "changes_requested", "escalated", "approved", "rejected", "retired")


def desk(url: str | None) -> UseCaseDesk:
    """Return the desk of the gateway that is meant."""
    from workbench.client.use_case_desk import UseCaseDesk

    asked = asked_gateway(url)
    return UseCaseDesk(asked.url, asked.token)


def tell(use_case: dict[str, Any], *, as_json: bool) -> None:
    """Print what a use case has become, in a line and what may be done now."""
    if as_json:
        click.echo(json.dumps(use_case))
        return
    click.echo(f"{use_case['name']} is {use_case['state'].replace('_', ' ')}. {use_case['what_now']}")


@click.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@url_option
@json_option
def list_(*, state: str | None, limit: int, url: str | None, as_json: bool) -> None:
    """List your use cases, or all for a reviewer, those that were changed last first."""
    found = desk(url).list(state=state, limit=limit)
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo("No use cases. `workbench usecase create NAME` drafts one.")
        return
    from rich.table import Table

    table = Table("use case", "state", "owner", "data", "level", "tier", "a month", "changed", box=None, pad_edge=False)
    for row in found:
        table.add_row(
            row["name"], row["state"], row["owner"], ", ".join(row["data_classes"]), row["service_level"],
            str(row["tier"]), _money(row["projection"]), row["updated_at"][:16],
        )  # fmt: skip
    print_table(table)


@click.command()
@click.argument("name")
@url_option
@json_option
def show(*, name: str, url: str | None, as_json: bool) -> None:
    """Show the whole of a use case: the RFC, its checklist, what was decided, by whom and why."""
    found = desk(url).show(name)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo("\n".join(_lines(found)))


COMMANDS = (list_, show)


def _lines(found: dict[str, Any]) -> list[str]:
    volume = {name: value for name, value in found["volume"].items() if value is not None}
    facts = {
        "state": found["state"].replace("_", " ") + (f" to {found['escalated_to']}" if found["escalated_to"] else ""),
        "owner": found["owner"],
        "purpose": found["purpose"],
        "data": ", ".join(found["data_classes"]),
        "models": ", ".join(found["models"]),
        "providers": ", ".join(found["providers"]) or "any that may see the data",
        "service": f"{found['service_level']}, tier {found['tier']}",
        "volume": ", ".join(f"{name} {value}" for name, value in volume.items()),
        "cost": _projected(found["projection"]),
        "risks": f"version {found['risk_version']} acknowledged" if found["risk_version"] else "",
        "granted": json.dumps(found["grant"]) if found["grant"] else "",
    }
    lines = [found["name"], *(f"  {name:<10}{value}" for name, value in facts.items() if value)]
    if found["checklist"]:
        lines.append("checklist")
    for question in found["checklist"]:
        answer = found["answers"].get(question["id"])
        told = ("(not answered)" if question["required"] else "-") if answer is None else json.dumps(answer)
        lines.append(f"  {question['id']}: {question['text']} {told}")
    lines.append("what happened")
    lines += [
        f"  {event['at'][:19]}  {event['by']:<12} {event['action']:<16}{event['after']:<18}{event['why']}"
        for event in found["events"]
    ]
    if found["keys"]:
        lines.append("keys")
    for key in found["keys"]:
        end = f"revoked {key['revoked_at']}" if key["revoked_at"] else f"until {key['expires_at'] or 'revoked'}"
        lines.append(f"  {key['id']}  {key['owner']:<12} {end}  {key['note']}")
    lines.append(found["what_now"])
    return lines


def _money(projection: dict[str, Any] | None) -> str:
    return "" if projection is None else f"${projection['projected_usd_per_month']:.2f}"


def _projected(projection: dict[str, Any] | None) -> str:
    if projection is None:
        return ""
    high = "?" if projection["high"] is None else f"${projection['high']:.2f}"
    return (
        f"{_money(projection)} a month [${projection['low']:.2f}, {high}], "
        f"from run {projection['run_id']} (n={projection['n']})"
    )
