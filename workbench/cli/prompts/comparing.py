"""What changed: in what a prompt says, and in what it does on a dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json

if TYPE_CHECKING:
    from workbench.experiments import BehaviourDiff


@click.command()
@click.argument("prompts_", nargs=-1, required=True, metavar="A B | NAME A B")
@click.option(
    "--on",
    "data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask both on a dataset: JSONL, CSV or Parquet.",
)
@click.option(
    "--scorer", "scorers", multiple=True, metavar="NAME", help="Score the answers, as exact_match; may be repeated."
)
@click.option("--model", metavar="MODEL", help="The model to ask; default: each prompt's own.")
@click.option(
    "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Times each example is asked."
)
@click.option("--budget-usd", type=float, metavar="USD", help="What asking may cost at most.")
@json_option
def diff(
    prompts_: tuple[str, ...], *, data: Path | None, scorers: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Show what changed from A to B; exit code 1 if anything did.

    A and B are prompts as `show` takes them, or versions or aliases of NAME. With --on, both are asked, and it is shown
    on which examples their answers differ.
    """
    from workbench import prompts

    if len(prompts_) not in (2, 3):
        raise click.UsageError("Say A B, or NAME A B.")
    a, b = prompts_ if len(prompts_) == 2 else (f"{prompts_[0]}@{each}" for each in prompts_[1:])
    if data is None and (scorers or options["model"] or options["repeats"] > 1 or options["budget_usd"] is not None):
        raise click.UsageError("--scorer, --model, --repeats and --budget-usd need a dataset: --on FILE.")
    found = prompts.diff(a, b)
    behaviour = None if data is None else _behaviour(found.a, found.b, data, scorers, options)
    if as_json:
        print_json({**found.as_dict(), **({"behaviour": behaviour.as_dict()} if behaviour is not None else {})})
    else:
        click.echo(str(found))
        if behaviour is not None:
            click.echo(f"\n{behaviour}")
    sys.exit(1 if found else 0)


def _behaviour(a: Any, b: Any, data: Path, scorers: tuple[str, ...], options: dict[str, Any]) -> BehaviourDiff:
    from workbench import experiments
    from workbench.experiments.runs.definition import read_dataset, scorer_kinds

    kinds = scorer_kinds()
    if unknown := [name for name in scorers if name not in kinds]:
        raise click.BadParameter(f"No scorer {unknown[0]!r}. Known: {', '.join(sorted(kinds))}.", param_hint="--scorer")
    try:
        made = [kinds[name]() for name in scorers]
    except TypeError as error:
        raise click.BadParameter(
            f"It needs options: {error}. Use an experiment's file.", param_hint="--scorer"
        ) from error
    return experiments.diff_behaviour(a, b, read_dataset(data), made, **options)


COMMANDS = (diff,)
