"""`workbench budget`: raise budgets for a while, and see what everybody has left, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.budget_desk import BudgetDesk

_TIMEOUT = 30.0
_SUBJECTS = ("key", "use_case", "user", "model", "provider")
_PARTS = ("usd_per_day", "usd_per_month", "usd_total")


@click.group()
def command() -> None:
    """Raise budgets for a while; list raises, and what everybody has left. An admin's right."""


@command.command("raise")
@click.argument("subject", type=click.Choice(_SUBJECTS))
@click.argument("name")
@click.option("--usd-per-day", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="So much more a day.")
@click.option(
    "--usd-per-month", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="So much more a month."
)
@click.option("--usd-total", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="So much more in all.")
@click.option("--until", required=True, metavar="DATE", help="The last day of it, UTC, as 2026-12-31.")
@click.option("--reason", required=True, help="Why; it is kept.")
@url_option
@json_option
def raise_(*, subject: str, name: str, until: str, reason: str, url: str | None, as_json: bool, **more: float) -> None:
    """Raise the budget of a SUBJECT for a while: `workbench budget raise use_case menu-images --usd-per-day 20 ...`."""
    wish: dict[str, Any] = {"subject": subject, "name": name, "until": until, "reason": reason}
    wish |= {part: usd for part, usd in more.items() if usd is not None}
    made = _desk(url).raise_budget(wish, timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(made))
    else:
        click.echo(f"{made['id']}: {subject} {name} has {_more(made)} until {made['until']}.")


@command.command("list")
@url_option
@json_option
def list_(*, url: str | None, as_json: bool) -> None:
    """List the raises, newest first, with who, when and why."""
    raises = _desk(url).raises(timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(raises))
        return
    rows = [
        [
            one["subject"],
            one["name"],
            _more(one),
            one["until"],
            "yes" if one["active"] else "no",
            one["by"],
            one["reason"],
        ]
        for one in raises
    ]
    _print(("subject", "name", "raise", "until", "active", "by", "reason"), rows)


@command.command()
@url_option
@json_option
def show(*, url: str | None, as_json: bool) -> None:
    """Show who is held to what, what is left of it, and what limits in shadow mode would have refused."""
    limits = _desk(url).limits(timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(limits))
        return
    rows = [
        [
            one["subject"],
            one["name"],
            _fields({**one["limits"], **(one["budget"] or {})}),
            _fields(one["left"]),
            str(one["shadow_refusals"]) if one["shadow"] else "",
        ]
        for one in limits
    ]
    _print(("subject", "name", "held to", "left", "would be refused"), rows)


def _more(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{one[part]:g} more {part}" for part in _PARTS if one.get(part))


def _fields(fields: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in fields.items())


def _print(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    print_table(table)


def _desk(url: str | None) -> BudgetDesk:
    from workbench.client.budget_desk import BudgetDesk

    asked = asked_gateway(url)
    return BudgetDesk(asked.url, asked.token)
