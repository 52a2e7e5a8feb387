"""`workbench audit verify | backup | restore`: done to a folder, whether a gateway runs there or not."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.ending import at_once
from workbench.cli.options import config_option, json_option
from workbench.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from workbench.gateway.audit.verify import Verdict
    from workbench.settings import Settings

_TAMPERED = 3
_SHOWN = 50
_SPOOL = Path("ledger") / "calls.db"


@click.command()
@click.argument("where", required=False, metavar="[FOLDER|URL]")
@click.option("--lake", metavar="FOLDER|URL", help="The lake that goes with a home or a backup; default: [state] lake.")
@config_option
@json_option
def verify(*, where: str | None, lake: str | None, config: Path | None, as_json: bool) -> None:
    """Check that the record of calls is what was written: ledger and lake together.

    WHERE is a home, a backup, or a lake alone; default: the home. Ends with 0 if all is well, 1 if that can't be told,
    3 if something was changed, is missing, out of order or cut off: it says exactly where.
    """
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    at_once()
    verdict = _verified(settings, where, lake)
    if as_json:
        click.echo(json.dumps({**asdict(verdict), "ok": not verdict.findings}))
    else:
        _tell(verdict)
    if verdict.findings:
        sys.exit(_TAMPERED)


def _verified(settings: Settings, where: str | None, lake: str | None) -> Verdict:
    from tqdm.auto import tqdm

    from workbench.gateway.audit.anchors import Anchors
    from workbench.gateway.audit.lake import Lake
    from workbench.gateway.audit.verify import verify as read
    from workbench.gateway.state import State

    folder = settings.home if where is None else Path(where)
    is_home = (where is None or "://" not in where) and (folder / _SPOOL).exists()
    if where is None and not is_home:
        raise NotFound(f"There is no ledger in {folder}.", hint="No gateway has run for this home yet.")
    if not is_home and where is not None and "://" not in where and not folder.is_dir():
        raise NotFound(f"There is no folder {where}.")
    own = folder == settings.home
    url = lake or (settings.lake_url if own else str(folder / "lake") if is_home else where)
    assert url is not None
    state = None
    if own:
        state = State(settings.database_url)
    elif is_home and (folder / "state.db").exists():
        state = State(f"sqlite:///{folder / 'state.db'}")
    try:
        if state is not None:
            state.open()
        with tqdm(desc="rows", unit="", disable=None, leave=False) as bar:
            return read(
                spool=folder / _SPOOL if is_home else None,
                lake=Lake(url) if lake or not is_home or "://" in url or Path(url).is_dir() else None,
                anchors=None if state is None else Anchors(state),
                alone=state is not None and state.url.database == str(folder / "state.db"),
                progress=bar.update,
            )
    finally:
        if state is not None:
            state.close()


def _tell(verdict: Verdict) -> None:
    from workbench.gateway.audit.verify import told

    for writer, seq in verdict.writers.items():
        click.echo(f"{writer}: to row {seq}")
    deleted = f", {verdict.deleted} deleted when their time was over" if verdict.deleted else ""
    bodies = f", the bodies of {verdict.bodies} calls" if verdict.bodies else ""
    click.echo(f"{verdict.rows} rows were read{bodies}{deleted}.")
    for number, line in enumerate(told(verdict.findings)):
        if number == _SHOWN:
            click.echo(f"... and {len(verdict.findings) - _SHOWN} more.", err=True)
            break
        click.echo(line, err=True)
    click.echo("All is what was written." if not verdict.findings else "The record is NOT what was written.")


@click.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@config_option
def backup(*, target: Path, config: Path | None) -> None:
    """Copy ledger and state into a new folder, while the gateway runs or not."""
    from workbench.gateway.audit.backup import backup as copy
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    try:
        sizes = copy(settings.home, target, state=_state_file(settings))
    except OSError as error:
        why = error.strerror or error
        raise InvalidInput(f"{target} can't be written: {why}.", hint="Name another folder.") from error
    for name, size in sizes.items():
        click.echo(f"{name}: {size:,} bytes")
    if "state.db" not in sizes:
        click.echo("The state database is a server's: back it up there, before this.", err=True)
    click.echo(f"The backup is in {target}; `workbench audit verify {target}` checks it.")


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@config_option
def restore(*, source: Path, config: Path | None) -> None:
    """Put a backup into a home that has no ledger and no state; the gateway must not run."""
    from workbench.gateway.audit.backup import restore as put_back
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    put_back(source, settings.home, state=_state_file(settings))
    click.echo(f"{source} is restored to {settings.home}.")


def _state_file(settings: Settings) -> Path | None:
    """Return the state database's file; None where it is a server's."""
    url = settings.database_url
    return Path(url.partition(":///")[2]) if url.startswith("sqlite") else None
