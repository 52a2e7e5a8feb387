"""`workbench usage`: what calls used and cost; price asynchronous work; compare the ledger with invoices."""

from __future__ import annotations

import click

from workbench.cli.usage.report import COMMANDS


@click.group()
def command() -> None:
    """Tell what calls used and cost, and whether the invoices say the same."""


for _command in COMMANDS:
    command.add_command(_command)
