"""`workbench keys`: issue, list and revoke exploration keys of the local owner, over HTTP."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

from workbench.cli.options import json_option
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.key_desk import KeyDesk

_TIMEOUT = 10.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Duration(click.ParamType[int]):
    """Seconds, or a number with a unit."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration; say 3600, 90m, 12h or 7d.", param, ctx)
        return int(match[1]) * _UNITS[match[2] or "s"]


@click.group()
def command() -> None:
    """Issue, list and revoke exploration keys."""


@command.command()
@click.option("--note", default="", help="What the key is for.")
@click.option("--expires-in", type=_Duration(), default="1d", show_default=True, help="3600, 90m, 12h or 7d.")
@url_option
@json_option
def issue(*, note: str, expires_in: int, url: str | None, as_json: bool) -> None:
    """Issue a key; it is shown this once."""
    desk = _desk(url)
    issued = desk.issue(note=note, expires_in=expires_in, lease=None, timeout=_TIMEOUT)
    if as_json:
        told = {"id": issued.id, "key": issued.key, "expires_at": issued.expires_at, "gateway_url": desk.url}
        click.echo(json.dumps(told))
        return
    click.echo(issued.key)
    click.echo(f"{issued.id}, until {issued.expires_at}, at {desk.url}; it is not shown again.", err=True)


@command.command("list")
@url_option
@json_option
def list_(*, url: str | None, as_json: bool) -> None:
    """List your keys, newest first."""
    keys = _desk(url).list(timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(keys))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("key", "kind", "note", "created", "expires", "revoked", box=None, pad_edge=False)
    for key in keys:
        cells = (key["id"], key["kind"], key["note"], key["created_at"], key["expires_at"], key["revoked_at"])
        table.add_row(*(str(cell or "") for cell in cells))
    Console(markup=False).print(table)


@command.command()
@click.argument("key_id")
@url_option
def revoke(*, key_id: str, url: str | None) -> None:
    """Revoke a key at once, by its id."""
    _desk(url).revoke(key_id, timeout=_TIMEOUT)
    click.echo(f"{key_id} is revoked.")


def _desk(url: str | None) -> KeyDesk:
    """Return the key desk of the gateway that is meant."""
    from workbench.client.key_desk import KeyDesk

    asked = asked_gateway(url)
    return KeyDesk(asked.url, asked.token)
