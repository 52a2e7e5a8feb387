"""`workbench conformance`: an operator's release gate for a configuration. Real upstreams are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import config_option, json_option

if TYPE_CHECKING:
    from workbench.settings import Settings
    from workbench.testing.conformance import Subject

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


@click.command()
@config_option
@click.option("--url", metavar="URL", help="Try a gateway that runs, instead of one started for --config.")
@click.option("--key", metavar="KEY", help="Its key; default: what a client finds in the environment.")
@click.option("--model", "names", multiple=True, metavar="NAME", help="Only this model; may be given again.")
@click.option("--only", multiple=True, metavar="CASE", help="Only this case; may be given again.")
@click.option("--yes", is_flag=True, help="Call third parties, which may cost money, without asking.")
@json_option
def command(
    *,
    config: Path | None,
    url: str | None,
    key: str | None,
    names: tuple[str, ...],
    only: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Try every model of a configuration at each of its providers, case by case.

    A gateway is started for it with a home of its own; nothing that is in use is touched. Exits with 0 only if no case
    failed and at least one passed; what could not be judged is listed with its reason.
    """
    from workbench.settings import load_settings
    from workbench.testing.conformance import CASES, read_subjects, rehearsed, run

    known = list(dict.fromkeys(case.name for case in CASES))
    if unknown := set(only) - set(known):
        raise click.BadParameter(f"no case {unknown.pop()!r}; known: {', '.join(known)}.", param_hint="--only")
    with ExitStack() as stack:
        settings: Settings | None = None
        key_for: Callable[[Subject], str | None] = lambda _: key  # noqa: E731 - one key for all, or one for each
        if url is None:
            settings = load_settings(config)
            place = stack.enter_context(rehearsed(settings))
            url, key, key_for = place.url, place.any_key(), place.key_for
        subjects = read_subjects(url, key, each_provider=settings is not None)
        if names:
            subjects = [subject for subject in subjects if subject.model in names]
        _ask_first(subjects, settings, only, yes=yes)
        verdicts = []
        for verdict in run(subjects, url=url, key_for=key_for, only=only):
            verdicts.append(verdict)
            if not as_json:
                place_name = f"{verdict.model} @ {verdict.provider}" if verdict.provider else verdict.model
                word = click.style(f"{verdict.outcome:<7}", fg=_COLOURS[verdict.outcome])
                remark = " ".join(verdict.remark.split())
                click.echo(f"{word} {place_name:<32} {verdict.case:<14} {verdict.seconds:5.1f} s  {remark}")
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in _COLOURS}
    if as_json:
        click.echo(json.dumps({**counts, "cases": [verdict.as_dict() for verdict in verdicts]}, indent=2))
    else:
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    sys.exit(0 if counts["passed"] and not counts["failed"] else 1)


def _ask_first(subjects: Sequence[Subject], settings: Settings | None, only: Sequence[str], *, yes: bool) -> None:
    """Tell what will be called, and ask where that may cost money; refused is not done."""
    from workbench.testing.conformance import calls_for

    paid = [
        subject
        for subject in subjects
        if settings is None or settings.providers[subject.provider].trust == "third_party"
    ]
    if yes or not paid:
        return
    calls = sum(calls_for(subject, only) for subject in paid)
    who = ", ".join(sorted({subject.provider or "the gateway's providers" for subject in paid}))
    click.echo(f"About {calls} calls to {who}, most of them under 100 tokens and one of up to 8,000, may be billed.")
    click.confirm("Go on?", abort=True, err=True)
