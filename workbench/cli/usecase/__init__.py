"""`workbench usecase`: a use case from its mini-RFC over review to its keys and its end, over HTTP."""

from __future__ import annotations

import click

from workbench.cli.usecase import acknowledging, owning, reviewing, showing, writing


@click.group()
def command() -> None:
    """Take a use case from its mini-RFC over review to production keys.

    A scientist: create, submit, key. A reviewer: comment, approve, reject, request-changes, escalate.
    """


for _room in (writing, showing, owning, reviewing, acknowledging):
    for _command in _room.COMMANDS:
        command.add_command(_command)
