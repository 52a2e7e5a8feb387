"""`workbench config`: write, check and show the configuration, and put one's own provider into it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import config_option, json_option
from workbench.cli.tables import print_table
from workbench.errors import Conflict, InvalidInput, SettingsError, WorkbenchError

if TYPE_CHECKING:
    from workbench.services import GatewayAddress


@click.group()
def command() -> None:
    """Write, check and show the configuration."""


def settings_table() -> str:
    """Return all settings as a Markdown table, made from the settings themselves."""
    from workbench.settings.document import markdown_table

    return markdown_table()


@command.command()
@config_option
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(config: Path | None, force: bool) -> None:
    """Write a workbench.toml to start from, with the embedded models written out."""
    from workbench.settings import CONFIG_NAME
    from workbench.settings.document import starting_file
    from workbench.settings.edit import replace_text

    path = config or Path(CONFIG_NAME)
    if path.exists() and not force:
        raise Conflict(f"{path} is there already.", hint="workbench config init --force, to replace it")
    replace_text(path, starting_file())
    click.echo(f"Wrote {path}.")


@command.command()
@config_option
@json_option
def check(config: Path | None, as_json: bool) -> None:
    """Tell everything that is wrong with the configuration; exit code 2 if anything is."""
    from workbench.settings import config_path, load_settings

    file = config_path(config)
    try:
        settings = load_settings(config)
    except SettingsError as error:
        if not as_json:
            raise
        _print_json({"file": str(file) if file else None, "ok": False, "problems": [asdict(p) for p in error.problems]})
        sys.exit(2)
    if as_json:
        _print_json({"file": str(file) if file else None, "ok": True, "problems": []})
        return
    what = f"{file} is right" if file else "There is no workbench.toml; the embedded default holds"
    click.echo(f"{what}: {_count(settings.providers, 'provider')}, {_count(settings.models, 'model')}.")


@command.command()
@config_option
@json_option
@click.option("--docs", is_flag=True, help="Print what every setting is, as a Markdown table.")
def show(config: Path | None, as_json: bool, docs: bool) -> None:
    """Print the settings in force, and where each comes from; secrets never."""
    if docs:
        click.echo(settings_table(), nl=False)
        return
    from workbench.settings import load_settings
    from workbench.settings.in_force import settings_in_force

    settings = load_settings(config, credentials=False)
    lines = list(settings_in_force(settings))
    if as_json:
        _print_json(
            {
                "file": str(settings.file) if settings.file else None,
                "home": str(settings.home),
                "settings": [asdict(line) for line in lines],
            }
        )
        return
    from rich.table import Table

    click.echo(f"file: {settings.file or 'none, the embedded default holds'}\nhome: {settings.home}")
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for line in lines:
        table.add_row(line.key, json.dumps(line.value, ensure_ascii=False), line.source)
    print_table(table)


@command.group()
def add() -> None:
    """Add to the configuration."""


def _refuse_secret(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise InvalidInput(
            "A secret does not belong on a command line or into the configuration; it is told by reference.",
            hint="--credential-env NAME (a variable that holds it) or --credential-file PATH (a file that holds it)",
        )


@add.command()
@click.argument("name")
@click.option(
    "--kind", required=True, help="openai, azure, anthropic, gemini, vertex, bedrock, openai_compatible or litellm."
)
@click.option("--base-url", help="Root URL of its API; default: what the provider's SDK documents.")
@click.option("--credential-env", metavar="VAR", help="Environment variable that holds its key.")
@click.option(
    "--credential-file", type=click.Path(path_type=Path), metavar="PATH", help="File that holds its key, and only that."
)
@click.option("--credential", "--api-key", "--key", hidden=True, expose_value=False, callback=_refuse_secret)
@click.option(
    "--sign-in", type=click.Choice(["aws", "google", "azure"]), help="In the place of a key: as this machine does."
)
@click.option("--region", help="bedrock: the AWS region.")
@click.option("--project", help="vertex: the Google Cloud project.")
@click.option("--location", help="vertex: where it runs.")
@click.option("--api-version", help="azure: api-version of the deployments path; default: the v1 path.")
@click.option("--litellm-provider", help="litellm: its name of the provider.")
@click.option("--trust", help="third_party (default), assured or in_house.")
@click.option("--model", "models", multiple=True, metavar="[NAME=]MODEL", help="A model to offer; may be repeated.")
@click.option("--task", default="chat", show_default=True, help="What these models do: chat, embedding or image.")
@config_option
def provider(
    *,
    name: str,
    kind: str,
    base_url: str | None,
    credential_env: str | None,
    credential_file: Path | None,
    sign_in: str | None,
    trust: str | None,
    models: tuple[str, ...],
    task: str,
    config: Path | None,
    **more: str | None,
) -> None:
    """Put a provider of your own beside the embedded models.

    Its key is told by reference. --model gpt-4o-mini offers a model by its own name, --model fast=gpt-4o-mini by
    another one.
    """
    from workbench.services import running_gateway
    from workbench.settings import CONFIG_NAME, config_path, home_folder
    from workbench.settings.edit import add_provider

    if len([place for place in (credential_env, credential_file, sign_in) if place]) > 1:
        raise InvalidInput(
            "The key has two places.", hint="Give one of --credential-env, --credential-file and --sign-in."
        )
    path = config_path(config) or Path(CONFIG_NAME).resolve()
    reference = {sign_in: "default"} if sign_in else None
    if credential_env:
        reference = {"env": credential_env}
    elif credential_file:
        # It was named from here; the file's paths start where the file is.
        held = credential_file.expanduser().resolve()
        reference = {"file": str(held.relative_to(path.parent) if held.is_relative_to(path.parent) else held)}
    written = {"kind": kind, "base_url": base_url, "credential": reference, "trust": trust, **more}
    made = not path.exists()
    add_provider(
        path,
        name,
        {key: value for key, value in written.items() if value is not None},
        models=[_model(text, provider=name, task=task) for text in models],
    )
    click.echo(f"{'Made' if made else 'Changed'} {path}: provider {name} and {_count(models, 'model')} stand in it.")
    if (address := running_gateway(home_folder())) is not None:
        click.echo(_put_in_force(address, name))
    if not models:
        click.echo(f"Nobody can call it yet: add [[models]] with a deployment at {name!r}.")


def _put_in_force(address: GatewayAddress, provider: str) -> str:
    """Have a running gateway read its configuration again; return what came of it."""
    from workbench.client.model_desk import ModelDesk

    try:
        changed = ModelDesk(address.url, address.owner_token).reload()
    except WorkbenchError as error:
        return f"The gateway that runs keeps its old settings: {error}"
    if provider in changed["providers"]["added"]:
        return f"The gateway that runs has taken it: {provider} can be called now."
    return "The gateway that runs reads another file, and keeps its settings; `workbench status` tells who uses it."


def _model(text: str, *, provider: str, task: str) -> dict[str, Any]:
    name, _, upstream = text.rpartition("=")
    return {"name": name or upstream, "task": task, "deployments": [{"provider": provider, "model": upstream}]}


def _count(things: Any, noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
