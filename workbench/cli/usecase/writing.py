"""Draft and edit the mini-RFC of a use case: from a TOML file, options, or both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from workbench.cli.options import json_option
from workbench.cli.usecase.showing import desk, tell
from workbench.cli.which_gateway import url_option
from workbench.errors import InvalidInput

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _answer(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is no answer; say QUESTION=ANSWER.")
        try:
            answers[name] = json.loads(text)
        except ValueError:
            answers[name] = text
    return answers


_OPTIONS = (
    click.option("--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="The RFC or a part, TOML."),
    click.option("--purpose", metavar="TEXT", help="What it is for, and for whom."),
    click.option("--owner", metavar="NAME", help="Who answers for it; default: you."),
    click.option("--data-class", "data_classes", multiple=True, metavar="NAME", help="Data that it sends; repeatable."),
    click.option("--provider", "providers", multiple=True, metavar="NAME", help="A provider wanted; repeatable."),
    click.option("--model", "models", multiple=True, metavar="NAME", help="A model wanted; repeatable."),
    click.option("--calls-per-day", type=click.IntRange(min=0), metavar="N", help="Calls on an average day."),
    click.option("--input-tokens", type=click.IntRange(min=0), metavar="N", help="Input tokens of a call."),
    click.option("--output-tokens", type=click.IntRange(min=0), metavar="N", help="Output tokens of a call."),
    click.option("--service-level", type=click.Choice(["online", "batch"]), help="Whether somebody waits for answers."),
    click.option("--tier", type=click.IntRange(1, 3), help="How critical it is: 1 comes first."),
    click.option(
        "--answer", "answers", multiple=True, callback=_answer, metavar="QUESTION=ANSWER",
        help="An answer to the checklist: JSON (true, 3) or text; repeatable.",
    ),
)  # fmt: skip


def _rfc_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name", required=False)
@_rfc_options
@url_option
@json_option
def create(*, name: str | None, url: str | None, as_json: bool, **given: Any) -> None:
    """Draft a use case; nothing is asked of anybody before `submit`."""
    rfc = _rfc(**given)
    name = name or rfc.get("name")
    if not name:
        raise click.UsageError("The use case has no name: give NAME, or `name` in the file.")
    tell(desk(url).draft({**rfc, "name": name}), as_json=as_json)


@click.command()
@click.argument("name")
@_rfc_options
@url_option
@json_option
def edit(*, name: str, url: str | None, as_json: bool, **given: Any) -> None:
    """Change the RFC of a draft, or of a use case that was given back."""
    change = _rfc(**given)
    if change.pop("name", name) != name:
        raise click.UsageError(f"The file is about another use case than {name}.")
    there = desk(url)
    if volume := change.get("volume"):  # what is not told of it stays
        change["volume"] = {**there.show(name)["volume"], **volume}
    tell(there.edit(name, change), as_json=as_json)


COMMANDS = (create, edit)


def _rfc(
    *, path: Path | None, calls_per_day: int | None, input_tokens: int | None, output_tokens: int | None,
    answers: dict[str, Any], **fields: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return what the file and the options tell; an option counts before the file."""
    rfc: dict[str, Any] = {} if path is None else _read(path)
    rfc |= {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if value}
    volume = {"calls_per_day": calls_per_day, "input_tokens": input_tokens, "output_tokens": output_tokens}
    for name, more in (("volume", {n: v for n, v in volume.items() if v is not None}), ("answers", answers)):
        if more:
            rfc[name] = {**rfc.get(name, {}), **more}
    return rfc


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}.") from error
