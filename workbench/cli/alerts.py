"""`workbench alerts`: what a gateway told of, and a test of where it tells it, over HTTP."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from workbench.cli.options import json_option
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.report_desk import ReportDesk


@click.group()
def command() -> None:
    """Test the destinations of alerts, and list what was told."""


@command.command()
@url_option
@json_option
def test(*, url: str | None, as_json: bool) -> None:
    """Send a test to every destination; ends with code 1 where one did not take it."""
    told = _desk(url).test_alerts()
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif not told:
        click.echo("The configuration names no [alerts.destinations].", err=True)
    else:
        for one in told:
            click.echo(f"{one['destination']}: {'delivered' if one['delivered'] else one['error']}")
    if not all(one["delivered"] for one in told):
        sys.exit(1)


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most alerts.")
@url_option
@json_option
def list_(*, limit: int, url: str | None, as_json: bool) -> None:
    """List the newest alerts and what became of them."""
    alerts = _desk(url).alerts(limit=limit)
    if as_json:
        click.echo(json.dumps(alerts, indent=2))
        return
    for alert in alerts:
        ends = [
            f"{one['destination']}: {'delivered' if one['sent_at'] else one['error'] or 'waits'}"
            for one in alert["deliveries"]
        ]
        click.echo(f"{alert['kind']}: {alert['text']} ({'; '.join(ends)})")


def _desk(url: str | None) -> ReportDesk:
    from workbench.client.report_desk import ReportDesk

    asked = asked_gateway(url)
    return ReportDesk(asked.url, asked.token)
