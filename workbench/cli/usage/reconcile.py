"""`workbench usage reconcile`: compare a provider's invoice with the ledger, by model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.cli.usage.drift import Drift

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="INVOICE.csv")
@click.option("--provider", metavar="NAME", help="Whose invoice it is: its name under [providers]; default: of all.")
@click.option("--since", type=_DAY, help="First day, UTC; default: the invoice's.")
@click.option("--until", type=_DAY, help="Last day, UTC; default: the invoice's.")
@click.option("--by-day", is_flag=True, help="Tell each day by itself.")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1.0, show_default=True, help="Drift that is let pass, in percent."
)
@click.option(
    "--least", type=click.FloatRange(0), default=0.01, show_default=True, help="Drift in USD that is always let pass."
)
@click.option(
    "--map", "maps", multiple=True, metavar="NAME=MODEL", help="The model that a name on the invoice means; repeatable."
)
@click.option(
    "--usd-per-unit", type=click.FloatRange(min=0, min_open=True), help="What one of the invoice's currency is worth."
)
@click.option("--date-column", metavar="NAME", help="Column of the day; default: found by its name, as the others are.")
@click.option("--model-column", metavar="NAME", help="Column of the model, meter or line item.")
@click.option("--cost-column", metavar="NAME", help="Column of the amount.")
@click.option("--currency-column", metavar="NAME", help="Column of the currency.")
@url_option
@json_option
def reconcile(
    *, file: Path, provider: str | None, since: datetime | None, until: datetime | None, by_day: bool,
    tolerance: float, least: float, maps: tuple[str, ...], usd_per_unit: float | None, date_column: str | None,
    model_column: str | None, cost_column: str | None, currency_column: str | None, url: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare INVOICE.csv with the ledger: the drift by model, in USD and percent.

    Exports of OpenAI, Anthropic, Azure and AWS are read as they are; of others, name the columns. Run `workbench usage
    settle` first, so that batches and tuned models are in the ledger. Exits with 1 where a model, or the whole, drifts
    by more than --tolerance.
    """
    from workbench.cli.usage.drift import drifts, total
    from workbench.cli.usage.invoice import Columns, read_invoice

    columns = Columns(date=date_column, model=model_column, cost=cost_column, currency=currency_column)
    lines = read_invoice(file, columns, usd_per_unit=usd_per_unit)
    first = since.date() if since else min((line.day for line in lines), default=None)
    last = until.date() if until else max((line.day for line in lines), default=None)
    if first is None or last is None:
        raise click.ClickException(f"{file} has no lines; say --since and --until to compare with nothing.")
    if first > last:
        raise click.ClickException(f"--since {first} is behind --until {last}.")
    ledger, unpriced = _ledger(url, provider, first, last, by_day=by_day)
    charged = [
        (line.day.isoformat() if by_day else "", line.model, line.usd) for line in lines if first <= line.day <= last
    ]
    found = drifts(ledger, charged, _names(maps))
    whole = total(found)
    beyond = [one for one in (*found, whole) if one.beyond(tolerance / 100, least_usd=least)]
    if as_json:
        _print_json(found, whole, beyond, period=(first, last), unpriced=unpriced)
    else:
        _print_table(found, whole, beyond, by_day=by_day)
        if unpriced:
            click.echo(
                f"{unpriced} calls of the ledger have no price; give their models one under [[prices]].", err=True
            )
    sys.exit(1 if beyond else 0)


def _ledger(
    url: str | None, provider: str | None, first: date, last: date, *, by_day: bool
) -> tuple[dict[tuple[str, str], float], int]:
    """Return US dollars by day and the providers' names of models, and how many calls have no price."""
    from workbench.client.report_desk import ReportDesk

    asked = asked_gateway(url)
    told = ReportDesk(asked.url, asked.token).usage(
        group_by="deployment,day" if by_day else "deployment",
        since=first.isoformat(),
        until=(last + timedelta(days=1)).isoformat(),
        provider=provider,
    )
    spent: dict[tuple[str, str], float] = {}
    for row in told["data"]:
        cost = row["cost_usd"] or 0.0
        if row["deployment"] and cost:
            place = (row["day"] if by_day else "", row["deployment"].partition("/")[2])
            spent[place] = spent.get(place, 0.0) + cost
    return spent, sum(row["calls_without_price"] or 0 for row in told["data"])


def _names(maps: Sequence[str]) -> dict[str, str]:
    names = {}
    for text in maps:
        name, equals, model = text.partition("=")
        if not (name and equals and model):
            raise click.BadParameter(f"{text!r} is no NAME=MODEL.", param_hint="--map")
        names[name] = model
    return names


def _told(one: Drift, beyond: Sequence[Drift]) -> Mapping[str, Any]:
    share = None if one.share is None else round(one.share * 100, 4)
    return {**asdict(one), "drift_usd": round(one.usd, 9), "drift_percent": share, "beyond": one in beyond}


def _print_json(
    found: Sequence[Drift], whole: Drift, beyond: Sequence[Drift], *, period: tuple[date, date], unpriced: int
) -> None:
    first, last = period
    rows = [_told(one, beyond) for one in found]
    told = {"since": first.isoformat(), "until": last.isoformat(), "data": rows, "total": _told(whole, beyond)}
    click.echo(json.dumps({**told, "calls_without_price": unpriced}, indent=2))


def _print_table(found: Sequence[Drift], whole: Drift, beyond: Sequence[Drift], *, by_day: bool) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in (*(("day",) if by_day else ()), "model"):
        table.add_column(name)
    for name in ("ledger USD", "invoice USD", "drift USD", "drift", ""):
        table.add_column(name, justify="right")
    for one in (*found, whole):
        share = "" if one.share is None else f"{one.share:+.2%}"
        table.add_row(
            *((one.day,) if by_day else ()), one.model, f"{one.ledger_usd:.4f}", f"{one.invoice_usd:.4f}",
            f"{one.usd:+.4f}", share, "!" if one in beyond else "",
        )  # fmt: skip
    print_table(table)
