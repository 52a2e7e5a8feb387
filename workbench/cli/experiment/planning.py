"""`workbench experiment plan`: how many rows and dollars a difference needs to be found."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from workbench.cli.options import json_option


@click.command()
@click.option("--mde", type=float, required=True, help="The smallest difference that is to be found.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance to find it where it is there.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of a false finding.")
@click.option("--pilot", metavar="ID", help="An experiment that tells how answers vary and what a call costs.")
@click.option("--metric", help="The pilot's metric; default: its first scorer.")
@click.option("--baseline", type=float, help="Without a pilot: the baseline's rate of right answers.")
@click.option("--discordant", type=float, help="Without a pilot: share of examples on which two candidates differ.")
@click.option("--sd", type=float, help="Without a pilot: standard deviation of graded differences.")
@click.option("--candidates", type=click.IntRange(min=1), default=1, show_default=True,
              help="Without a pilot: candidates beside the baseline.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Answers to each example.")
@click.option("--usd-per-call", type=float, help="Without a pilot: what a call costs.")
@json_option
def plan(
    *,
    mde: float,
    power: float,
    alpha: float,
    pilot: str | None,
    metric: str | None,
    baseline: float | None,
    discordant: float | None,
    sd: float | None,
    candidates: int,
    repeats: int,
    usd_per_call: float | None,
    as_json: bool,
) -> None:
    """Tell how many rows, calls and dollars it takes to find a difference."""
    from workbench import experiments, statistics

    if pilot is not None:
        if any(each is not None for each in (baseline, discordant, sd, usd_per_call)):
            raise click.UsageError("A pilot tells by itself how answers vary and what a call costs.")
        found = experiments.load(pilot).plan(mde, power=power, alpha=alpha, metric=metric, repeats=repeats)
    else:
        found = statistics.plan(
            mde=mde,
            power=power,
            alpha=alpha,
            baseline=baseline,
            discordant=discordant,
            sd=sd,
            candidates=candidates,
            repeats=repeats,
            usd_per_call=usd_per_call,
        )
    click.echo(json.dumps(asdict(found), indent=2) if as_json else str(found))


COMMANDS = (plan,)
