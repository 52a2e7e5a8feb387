"""Register versions from files, and tag them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, prompt_dict
from workbench.cli.prompts.showing import key_and_value


@click.command()
@click.argument("name")
@click.option("--file", "path", type=click.Path(path_type=Path), required=True, help="Text, JSON or TOML.")
@click.option("--message", help="What changed.")
@click.option("--parameter", "-p", "given", multiple=True, metavar="KEY=VALUE", help="temperature=0, model=...")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the version; may be repeated.")
@json_option
def register(
    name: str, *, path: Path, message: str | None, given: tuple[str, ...], tags: tuple[str, ...], as_json: bool
) -> None:
    """Register a version of NAME from a file; what a version says already makes no new one.

    A text file is the template of one user message. JSON and TOML hold template or messages, and if wanted format
    ("jinja"), variables, parameters, schema, few_shot and message.
    """
    from workbench.prompts.prompt_file import read_prompt
    from workbench.prompts.registry import keep

    draft = read_prompt(name, path)
    draft = replace(draft, parameters={**draft.parameters, **dict(map(_parameter, given))})
    kept, latest = keep(draft, message=message, tags=dict(map(key_and_value, tags)))
    if latest != kept.version:
        click.echo(f"{kept.label} says this already: no new version was made; the latest is v{latest}.", err=True)
    if as_json:
        print_json(prompt_dict(kept))
    else:
        click.echo(f"{kept.label}, variables: {', '.join(kept.variables) or 'none'}")


@click.command()
@click.argument("prompt")
@click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Take a tag away; may be repeated.")
@json_option
def tag(prompt: str, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Set tags of PROMPT, a NAME or one version NAME@3, and show those that it has."""
    from workbench import prompts

    wanted: dict[str, str | None] = {**dict.fromkeys(remove), **dict(map(key_and_value, tags))}
    found = prompts.tag(prompt, wanted) if wanted else prompts.tags_of(prompt)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(f"{key}={value}" for key, value in sorted(found.items())) or f"{prompt} has no tags.")


def _parameter(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="--parameter")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


COMMANDS = (register, tag)
