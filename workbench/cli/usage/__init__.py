"""`workbench usage`: what calls used and cost; price asynchronous work; compare the ledger with invoices."""

from __future__ import annotations

import click

from workbench.cli.usage.prices import prices
from workbench.cli.usage.reconcile import reconcile
from workbench.cli.usage.report import COMMANDS
from workbench.cli.usage.settle import settle


@click.group()
def command() -> None:
    """Tell what calls used and cost, and whether the invoices say the same."""


for _command in (*COMMANDS, settle, reconcile, prices):
    command.add_command(_command)
