"""`workbench experiment`: run a defined experiment in CI, and list, show, report and plan experiments."""

from __future__ import annotations

import click

from workbench.cli.experiment import planning, running, showing


@click.group()
def command() -> None:
    """Run, list, show, report and plan experiments."""


for _room in (running, showing, planning):
    for _command in _room.COMMANDS:
        command.add_command(_command)
