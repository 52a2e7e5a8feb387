"""What reviewers do with a use case: approve, amend, reject, request changes, escalate, retire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from workbench.cli.options import json_option
from workbench.cli.usecase.showing import desk, tell
from workbench.cli.which_gateway import url_option

_Command = TypeVar("_Command", bound=Callable[..., Any])
_why = click.option("--why", required=True, metavar="TEXT", help="Why; it stays in the record.")
_LIMITS = {
    "rps": "requests_per_second",
    "burst": "burst",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "rpd": "requests_per_day",
    "tpd": "tokens_per_day",
    "concurrent": "concurrent",
}
_BUDGETS = ("usd_per_day", "usd_per_month", "usd_total")


_AMOUNTS = (
    click.option("--rps", type=click.FloatRange(min=0.001), metavar="N", help="Most calls a second."),
    click.option("--burst", type=click.IntRange(min=1), metavar="N", help="Most calls at once after a pause."),
    click.option("--rpm", type=click.IntRange(min=1), metavar="N", help="Most calls a minute."),
    click.option("--tpm", type=click.IntRange(min=1), metavar="N", help="Most tokens a minute."),
    click.option("--rpd", type=click.IntRange(min=1), metavar="N", help="Most calls a day."),
    click.option("--tpd", type=click.IntRange(min=1), metavar="N", help="Most tokens a day."),
    click.option("--concurrent", type=click.IntRange(min=1), metavar="N", help="Most calls on their way at once."),
    click.option("--no-limits", is_flag=True, help="No limits at all."),
    click.option("--usd-per-day", type=click.FloatRange(min=0), metavar="USD", help="Most money in a day, UTC."),
    click.option("--usd-per-month", type=click.FloatRange(min=0), metavar="USD", help="Most money in a month, UTC."),
    click.option("--usd-total", type=click.FloatRange(min=0), metavar="USD", help="Most money in all."),
    click.option("--no-budget", is_flag=True, help="No bound on money."),
    click.option("--when-exhausted", metavar="MODEL", help="A cheaper model that goes on when the money is used up."),
    click.option("--tier", type=click.IntRange(1, 3), help="How critical it is: 1 comes first."),
    click.option("--guaranteed-tpm", type=click.IntRange(min=0), metavar="N", help="Tokens a minute in any case."),
    click.option("--weight", type=click.FloatRange(min=0, min_open=True), help="Its share of what batch may use."),
)


def _amounts(command: _Command) -> _Command:
    for option in reversed(_AMOUNTS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@_why
@_amounts
@click.option("--model", "models", multiple=True, metavar="PATTERN", help="A model that its keys may use; repeatable.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="The same of providers; repeatable.")
@url_option
@json_option
def approve(*, name: str, url: str | None, as_json: bool, **given: Any) -> None:
    """Approve; what is not told follows the RFC and the template of its service level.

    Limits or a budget that are told replace those of the template, whole.
    """
    tell(desk(url).decide(name, "approve", _grant(**given)), as_json=as_json)


@click.command()
@click.argument("name")
@_why
@_amounts
@url_option
@json_option
def amend(*, name: str, url: str | None, as_json: bool, **given: Any) -> None:
    """Change how much an approved use case gets; it is in force at once.

    Limits or a budget that are told replace what it has, whole.
    """
    tell(desk(url).decide(name, "amend", _grant(**given)), as_json=as_json)


def _decision(verb: str, text: str) -> click.Command:
    @click.command(verb, help=text)
    @click.argument("name")
    @_why
    @url_option
    @json_option
    def decide(*, name: str, why: str, url: str | None, as_json: bool) -> None:
        tell(desk(url).decide(name, verb, {"why": why}), as_json=as_json)

    return decide


@click.command()
@click.argument("name")
@_why
@click.option("--to", metavar="GROUP", help="The governance group; default: that of its data class.")
@url_option
@json_option
def escalate(*, name: str, why: str, to: str | None, url: str | None, as_json: bool) -> None:
    """Hand the decision to a governance group; only its members decide from then on."""
    tell(desk(url).decide(name, "escalate", {"why": why, "to": to}), as_json=as_json)


COMMANDS = (
    approve,
    amend,
    _decision("reject", "Say no for good."),
    _decision("request-changes", "Give it back to its owner, who edits and submits it again."),
    escalate,
    _decision("retire", "End it: its keys die everywhere within 2 seconds."),
)


def _grant(*, why: str, no_limits: bool, no_budget: bool, guaranteed_tpm: int | None, **given: Any) -> dict[str, Any]:
    limits = {field: given.pop(option) for option, field in _LIMITS.items()}
    budget = {field: given.pop(field) for field in _BUDGETS}
    wish: dict[str, Any] = {"why": why, "guaranteed_tokens_per_minute": guaranteed_tpm, **given}
    for name, fields, nothing in (("limits", limits, no_limits), ("budget", budget, no_budget)):
        told = {field: most for field, most in fields.items() if most is not None}
        if told and nothing:
            raise click.UsageError(f"--no-{name} and a bound exclude one another.")
        wish[name] = told or None
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in wish.items()}
    nothings = {name for name, nothing in (("limits", no_limits), ("budget", no_budget)) if nothing}
    return {name: value for name, value in kept.items() if name in nothings or value not in (None, [])}
