"""`workbench audit`: the record of calls. Over HTTP, but for what is done to a folder."""

from __future__ import annotations

import click

from workbench.cli.audit.folders import backup, restore, verify
from workbench.cli.audit.over_http import dataset, ship, show


@click.group()
def command() -> None:
    """Ship, check and back up the record of calls; take real traffic as a dataset."""


for _each in (verify, ship, show, dataset, backup, restore):
    command.add_command(_each)
