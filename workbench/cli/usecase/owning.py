"""What the owner of a use case does after its RFC is written: submit, comment, take a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import Duration, json_option
from workbench.cli.usecase.showing import desk, tell
from workbench.cli.which_gateway import url_option
from workbench.errors import InvalidInput


@click.command()
@click.argument("name")
@click.option("--run", "run_id", metavar="RUN_ID", help="MLflow run of an experiment: projects the cost of a month.")
@click.option("--acknowledge", metavar="VERSION", help="The text on risks that you have read: `usecase risks`.")
@click.option("--why", default="", metavar="TEXT", help="A word to the reviewers.")
@url_option
@json_option
def submit(*, name: str, run_id: str | None, acknowledge: str | None, why: str, url: str | None, as_json: bool) -> None:
    """Hand the RFC to the reviewers."""
    there = desk(url)
    projection: dict[str, Any] | None = None
    if run_id is not None:
        from workbench.experiments.records.projection import project_cost

        calls = there.show(name)["volume"]["calls_per_day"]
        if calls is None:
            raise InvalidInput(
                f"{name} does not tell its expected volume.", hint=f"`workbench usecase edit {name} --calls-per-day N`."
            )
        projection = project_cost(run_id, calls_per_day=calls).as_dict()
    tell(there.submit(name, why=why, acknowledge=acknowledge, projection=projection), as_json=as_json)


@click.command()
@click.argument("name")
@click.argument("text")
@url_option
@json_option
def comment(*, name: str, text: str, url: str | None, as_json: bool) -> None:
    """Say something about a use case; it stays in the record."""
    tell(desk(url).comment(name, text), as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--note", default="", help="What the key is for.")
@click.option("--expires-in", type=Duration(), help="3600, 90m, 12h or 7d; default: no end.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this approved model; repeatable.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only this approved one; repeatable.")
@click.option("--path", "paths", multiple=True, metavar="PATTERN", help="Only such paths of the gateway; repeatable.")
@click.option(
    "--key-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the key there, mode 0600, in place of what stands there, and print it nowhere.",
)  # fmt: skip
@url_option
@json_option
def key(
    *, name: str, note: str, expires_in: int | None, key_file: Path | None, url: str | None, as_json: bool,
    **scopes: tuple[str, ...],
) -> None:  # fmt: skip
    """Issue a production key of an approved use case; it is shown this once."""
    from workbench.cli.issued import revoked_unless_written
    from workbench.wire.key_file import MountedKey, write_key_file

    there = desk(url)
    if key_file is not None and not key_file.parent.is_dir():
        raise InvalidInput(f"{key_file.parent} is no folder.", hint="Make it first: no key was issued.")
    wish = {"note": note, "expires_in": expires_in, **{name: list(given) for name, given in scopes.items() if given}}
    issued = there.key(name, wish)
    told = {"id": issued.id, "expires_at": issued.expires_at, "gateway_url": there.url, "use_case": name}
    if key_file is not None:
        with revoked_unless_written(there, issued):
            write_key_file(key_file, MountedKey(issued.key, issued.expires_at, there.url))
        told["key_file"] = str(key_file)
    elif as_json:
        told["key"] = issued.key
    else:
        click.echo(issued.key)
    if as_json:
        click.echo(json.dumps(told))
        return
    end = "without end" if issued.expires_at is None else f"until {issued.expires_at}"
    where = "it is not shown again" if key_file is None else f"written to {key_file}"
    click.echo(f"{issued.id}, {end}, at {there.url}; {where}.", err=True)


COMMANDS = (submit, comment, key)
