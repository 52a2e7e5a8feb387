"""`workbench keys`: issue, list, show, rotate and revoke gateway keys, over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import Duration, json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.key_desk import KeyDesk

_TIMEOUT = 10.0
_DAY = 86400


_anybodys = click.option("--any", "anybodys", is_flag=True, help="Whoever owns it; an admin's right.")


@click.group()
def command() -> None:
    """Issue, list, show, rotate and revoke gateway keys."""


@command.command()
@click.option("--note", default="", help="What the key is for.")
@click.option("--expires-in", type=Duration(), help="3600, 90m, 12h or 7d; default: 1d, for production no end.")
@click.option("--production", is_flag=True, help="A production key; this and all below is an admin's right.")
@click.option("--owner", metavar="NAME", help="Whose key it is; default: yours.")
@click.option("--use-case", metavar="NAME", help="The use case that it belongs to.")
@click.option(
    "--models", multiple=True, metavar="PATTERN", help="A model that it may use, as fast or gpt-*; repeatable."
)
@click.option(
    "--feature", "features", multiple=True, metavar="NAME", help="A feature that it may use, as tools; repeatable."
)
@click.option("--rpm", type=click.IntRange(min=1), metavar="N", help="Most calls a minute.")
@click.option("--tpm", type=click.IntRange(min=1), metavar="N", help="Most tokens a minute.")
@click.option("--concurrent", type=click.IntRange(min=1), metavar="N", help="Most calls at once.")
@click.option("--usd", type=click.FloatRange(min=0), metavar="USD", help="Most money in all.")
@click.option("--usd-per-day", type=click.FloatRange(min=0), metavar="USD", help="Most money in a day, UTC.")
@click.option("--usd-per-month", type=click.FloatRange(min=0), metavar="USD", help="Most money in a month, UTC.")
@url_option
@json_option
def issue(
    *, note: str, expires_in: int | None, url: str | None, as_json: bool, production: bool, owner: str | None,
    use_case: str | None, models: tuple[str, ...], features: tuple[str, ...], **limits: float | None,
) -> None:  # fmt: skip
    """Issue a key; it is shown this once."""
    desk = _desk(url)
    held_to = _held_to(owner=owner, use_case=use_case, models=models, features=features, **limits)
    if production or held_to:
        wish = {"kind": "production" if production else "exploration", "note": note, **held_to}
        life = expires_in if expires_in is not None or production else _DAY
        issued = desk.issue_any(wish if life is None else {**wish, "expires_in": life}, timeout=_TIMEOUT)
    else:
        life = _DAY if expires_in is None else expires_in
        issued = desk.issue(note=note, expires_in=life, lease=None, timeout=_TIMEOUT)
    if as_json:
        told = {"id": issued.id, "key": issued.key, "expires_at": issued.expires_at, "gateway_url": desk.url}
        click.echo(json.dumps(told))
        return
    click.echo(issued.key)
    end = "without end" if issued.expires_at is None else f"until {issued.expires_at}"
    click.echo(f"{issued.id}, {end}, at {desk.url}; it is not shown again.", err=True)


@command.command("list")
@click.option("--all", "everybodys", is_flag=True, help="The keys of every owner; an admin's right.")
@url_option
@json_option
def list_(*, everybodys: bool, url: str | None, as_json: bool) -> None:
    """List your keys, newest first."""
    desk = _desk(url)
    keys = desk.list_all(timeout=_TIMEOUT) if everybodys else desk.list(timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(keys))
        return
    from rich.table import Table

    table = Table("key", "kind", "owner", "note", "created", "expires", "revoked", box=None, pad_edge=False)
    for key in keys:
        cells = [key[name] for name in ("id", "kind", "owner", "note", "created_at", "expires_at", "revoked_at")]
        table.add_row(*(str(cell or "") for cell in cells))
    print_table(table)


@command.command()
@click.argument("key_id")
@_anybodys
@url_option
@json_option
def show(*, key_id: str, anybodys: bool, url: str | None, as_json: bool) -> None:
    """Show what may be told of a key: its life, scopes, limits and budget."""
    desk = _desk(url)
    key = (desk.show_any if anybodys else desk.show)(key_id, timeout=_TIMEOUT)
    if as_json:
        click.echo(json.dumps(key))
        return
    for name, value in key.items():
        if value not in (None, "", {}):
            click.echo(f"{name + ':':<14}{value if isinstance(value, str) else json.dumps(value)}")


@command.command()
@click.argument("key_id")
@click.option(
    "--overlap", type=Duration(), default="10m", show_default=True, help="How long the old key goes on; 0 ends it."
)
@_anybodys
@url_option
@json_option
def rotate(*, key_id: str, overlap: int, anybodys: bool, url: str | None, as_json: bool) -> None:
    """Put a new key in the place of one; it may do the same, and is shown this once."""
    desk = _desk(url)
    issued = (desk.rotate_any if anybodys else desk.rotate)(key_id, overlap_seconds=overlap, timeout=_TIMEOUT)
    if as_json:
        told = {"id": issued.id, "key": issued.key, "expires_at": issued.expires_at, "gateway_url": desk.url}
        click.echo(json.dumps(told))
        return
    click.echo(issued.key)
    click.echo(f"{issued.id} at {desk.url}; {key_id} ends in {overlap} seconds.", err=True)


@command.command()
@click.argument("key_id")
@_anybodys
@url_option
def revoke(*, key_id: str, anybodys: bool, url: str | None) -> None:
    """Revoke a key at once, by its id."""
    desk = _desk(url)
    (desk.revoke_any if anybodys else desk.revoke)(key_id, timeout=_TIMEOUT)
    click.echo(f"{key_id} is revoked.")


def _held_to(
    *, owner: str | None, use_case: str | None, models: tuple[str, ...], features: tuple[str, ...],
    rpm: float | None, tpm: float | None, concurrent: float | None, usd: float | None, usd_per_day: float | None,
    usd_per_month: float | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what was wished, without what was not."""
    limits = {"requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrent": concurrent}
    budget = {"usd_per_day": usd_per_day, "usd_per_month": usd_per_month, "usd_total": usd}
    wish: dict[str, Any] = {
        "owner": owner,
        "use_case": use_case,
        "scopes": {name: list(some) for name, some in (("models", models), ("features", features)) if some},
        "limits": {name: most for name, most in limits.items() if most is not None},
        "budget": {name: most for name, most in budget.items() if most is not None},
    }
    return {name: value for name, value in wish.items() if value}


def _desk(url: str | None) -> KeyDesk:
    """Return the key desk of the gateway that is meant."""
    from workbench.client.key_desk import KeyDesk

    asked = asked_gateway(url)
    return KeyDesk(asked.url, asked.token)
