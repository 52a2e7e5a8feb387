"""`workbench deploy`: what an application needs to run as a use case: its environment and its key, as files."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import Duration, json_option
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.cli.deploy.files import Format
    from workbench.cli.deploy.target import Target
    from workbench.wire.key_file import MountedKey
    from workbench.wire.variables import Sdk


@click.command()
@click.argument("use_case")
@click.option(
    "--format",
    "form",
    type=click.Choice(["env", "docker-compose", "kubernetes"]),
    default="env",
    show_default=True,
    help="What is written.",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where it is written; default: here.",
)
@click.option("--app", metavar="NAME", help="The service, or the Deployment and container; default: the use case.")
@click.option("--namespace", metavar="NAME", help="kubernetes: the namespace.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A key file that is there already; default: a new key is issued.",
)
@click.option("--gateway-url", metavar="URL", help="Where the application finds the gateway; default: as this command.")
@click.option("--note", metavar="TEXT", help="What the new key is for; default: the application and format.")
@click.option("--expires-in", type=Duration(), help="Life of the new key: 3600, 90m, 12h or 7d; default: no end.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--print", "shown", is_flag=True, help="Print the files, with the secret, and write none.")
@url_option
@json_option
def command(
    *, use_case: str, form: str, folder: Path, app: str | None, namespace: str | None, key_file: Path | None,
    gateway_url: str | None, note: str | None, expires_in: int | None, force: bool, shown: bool, url: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the environment and the key mount of an application that runs as USE_CASE.

    The variables are those of a notebook: WORKBENCH_GATEWAY_URL, WORKBENCH_KEY_FILE, and what SDKs read. All files have
    mode 0600; the secret is printed nowhere unless --print asks for it.
    """
    from workbench.cli.deploy.files import FORMATS, check_free, paths, write
    from workbench.cli.deploy.target import Target, checked_url
    from workbench.cli.issued import revoked_unless_written
    from workbench.client.use_case_desk import UseCaseDesk
    from workbench.wire.key_file import MountedKey, read_key_file

    chosen = FORMATS[form]
    target = Target.of(use_case, app=app, namespace=namespace, form=form, folder=folder.resolve())
    if gateway_url is not None:
        gateway_url = checked_url(gateway_url, what="--gateway-url")
        target = replace(target, gateway_url=gateway_url)
    if not (shown or force):
        check_free(paths(chosen, target))
    with ExitStack() as stack:
        if key_file is None:
            asked = asked_gateway(url)
            desk = UseCaseDesk(asked.url, asked.token)
            issued = desk.key(use_case, {"note": note or f"{target.app}, {form}"[:200], "expires_in": expires_in})
            stack.enter_context(revoked_unless_written(desk, issued))
            target = replace(target, key_id=issued.id)
            key = MountedKey(issued.key, issued.expires_at, gateway_url or desk.url.rstrip("/"))
        else:
            stack.enter_context(revoked_unless_written(None, None))
            key = read_key_file(key_file)
            key = replace(key, gateway_url=gateway_url or checked_url(key.gateway_url, what=str(key_file)))
        # Asked where this command reaches the gateway: the application's own way to it may not lead here.
        target = replace(target, sdks=_sdks(desk.url if key_file is None else key.gateway_url, key.key))
        if shown:
            for path, text in zip(paths(chosen, target), chosen.texts(target, key), strict=True):
                click.echo(f"# --- {path.name}\n{text}")
            return
        written = write(chosen, target, key)
    if as_json:
        told = {"use_case": use_case, "format": form, "key_id": target.key_id, "expires_at": key.expires_at}
        click.echo(json.dumps({**told, "gateway_url": key.gateway_url, "files": list(map(str, written))}))
    else:
        _tell(written, target, chosen, key)


def _sdks(url: str, key: str) -> tuple[Sdk, ...]:
    """Return the rows that the key may use; those of the gateway's own protocol where it does not tell them."""
    from workbench.client.usable_sdks import usable_sdks
    from workbench.errors import WorkbenchError
    from workbench.wire.variables import rows_for

    try:
        return usable_sdks(url, key, timeout=10)
    except WorkbenchError:
        return rows_for(())


def _tell(written: list[Path], target: Target, form: Format, key: MountedKey) -> None:
    from workbench.cli.deploy.comment import rotation
    from workbench.client.desk import is_loopback

    for path in written:
        click.echo(f"{path}  (mode 0600)")
    if target.key_id is not None:
        end = "without end" if key.expires_at is None else f"until {key.expires_at}"
        click.echo(f"Key {target.key_id}, {end}; it is shown nowhere else.")
    if form.remote and is_loopback(key.gateway_url):
        click.echo(
            f"warning: {key.gateway_url} leads to this machine, and a container is another one: give --gateway-url.",
            err=True,
        )
    for line in rotation(target, form.rotation):
        click.echo(line)
