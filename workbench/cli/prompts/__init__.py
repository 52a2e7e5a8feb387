"""`workbench prompts`: register, show and compare versions, keep them in files, promote with evidence, roll back."""

from __future__ import annotations

import click

from workbench.cli.prompts import checking, comparing, moving, promoting, requesting, showing, writing


@click.group()
def command() -> None:
    """Register, show, promote and list prompts."""


for _room in (showing, comparing, writing, moving, requesting, promoting, checking):
    for _command in _room.COMMANDS:
        command.add_command(_command)
