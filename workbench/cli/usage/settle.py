"""`workbench usage settle`: price batches, jobs and reserved hours that have ended; a daily job."""

from __future__ import annotations

import json
import sys

import click

from workbench.cli.options import json_option
from workbench.cli.which_gateway import asked_gateway, url_option


@click.command()
@url_option
@json_option
def settle(*, url: str | None, as_json: bool) -> None:
    """Price what is paid after its request: batches, tuned models, hours of reserved capacity.

    Run it daily. It does nothing twice, goes on where another run ended, and two may run at once. Exits with 1 where
    something could not be settled; it stays open for the next run.
    """
    from workbench.client.usage_desk import UsageDesk

    asked = asked_gateway(url)
    run = UsageDesk(asked.url, asked.token).settle()
    if as_json:
        click.echo(json.dumps(run, indent=2))
    else:
        click.echo(
            f"{run['settled']} settled, {run['rows']} rows of {run['cost_usd']:.6f} USD in all; "
            f"{run['waiting']} have not ended."
        )
        if run["unpriced"]:
            click.echo(f"{run['unpriced']} rows have no price: give their models one under [[prices]].", err=True)
        for problem in run["problems"]:
            click.echo(
                f"not settled: {problem['kind']} {problem['id']} at {problem['provider']}: {problem['message']}",
                err=True,
            )
    sys.exit(1 if run["problems"] else 0)
