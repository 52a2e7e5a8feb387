"""`workbench prompts rollout`: let a candidate go live step by step, see how it stands, and take it in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.prompts.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_alias_option = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")
_reason_option = click.option("--reason", required=True, help="Why; it stays in the record.")


class Steps(click.ParamType[list[float]]):
    """Rising percentages, separated by commas."""

    name = "10,25,50,100"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Return the percentages."""
        try:
            return [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} are no percentages; say 10,25,50,100.", param, ctx)


@click.group()
def rollout() -> None:
    """Let a candidate go live step by step, by what users say of it."""


@rollout.command()
@click.argument("name")
@click.option("--candidate", default="canary", show_default=True, help="Alias that the candidate was published under.")
@click.option("--steps", type=Steps(), help="Percent of the users; default: 10,25,50,100.")
@click.option("--rule", type=click.Choice(["not_worse", "better", "guardrails"]), help="Default: not_worse.")
@click.option("--margin", type=float, help="What counts as not worse, as a part of the range; default: 0.05.")
@click.option("--bounds", type=float, nargs=2, help="Least and greatest value of feedback; default: 0 1.")
@click.option("--min-n", type=int, help="Users with feedback on each side before a step; default: 50.")
@click.option("--confidence", type=float, help="How sure the tests are; default: 0.95.")
@click.option("--max-error-increase", type=float, help="Of the share of calls that fail; default: 0.02.")
@click.option("--max-latency-ratio", type=float, help="Of the median; default: 1.5.")
@click.option("--max-cost-ratio", type=float, help="Of the median; default: 1.5.")
@_reason_option
@_alias_option
@json_option
def start(name: str, *, candidate: str, alias: str, reason: str, as_json: bool, **plan: Any) -> None:
    """Roll out what is published as NAME@canary."""
    from workbench.prompts.defaults import default_gateway

    told = {key: value for key, value in plan.items() if value is not None}
    _print(default_gateway().start_rollout(name, alias, candidate=candidate, plan=told, reason=reason), as_json=as_json)


@rollout.command()
@click.argument("name")
@_alias_option
@json_option
def status(name: str, *, alias: str, as_json: bool) -> None:
    """Show how the latest rollout of NAME stands, and what was decided on."""
    from workbench.prompts.defaults import default_gateway

    _print(default_gateway().rollout(name, alias), as_json=as_json)


def _by_hand(verb: str, help_: str) -> Callable[..., None]:
    @rollout.command(verb, help=help_)
    @click.argument("name")
    @_reason_option
    @_alias_option
    @json_option
    def run(name: str, *, alias: str, reason: str, as_json: bool) -> None:
        from workbench.prompts.defaults import default_gateway

        _print(default_gateway().steer_rollout(name, verb, alias, reason=reason), as_json=as_json)  # type: ignore[arg-type]  # one of its verbs

    return run


for _verb, _help in {
    "pause": "Let nothing be decided by itself; who has the candidate keeps it.",
    "resume": "Let the rule decide again.",
    "advance": "Take the next step by hand; the last one publishes the candidate.",
    "abort": "Take the candidate back from everybody.",
}.items():
    _by_hand(_verb, _help)


def _print(told: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    version = told["arms"][told["candidate"]]["version"]
    where = f"{told['name']}@{told['alias']}"
    click.echo(f"{where}: {told['id']} is {told['state']}, v{version} goes to {told['weight']:g} % of the users.")
    if told.get("look"):
        click.echo(f"last look, {told['look']['at']}: {told['look']['said']}")
    if told["state"] == "complete":
        click.echo(f"MLflow's alias follows by `workbench prompts sync {told['name']} --alias {told['alias']}`.")
    rows = [(e["at"], e["event"], f"{e['weight']:g} %", e["by"], e["reason"]) for e in told["events"]]
    print_table(["when", "what", "share", "by", "why"], rows)
