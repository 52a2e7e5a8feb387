"""`workbench usage report`, `showback`, `slo` and `capacity`: reports as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import json_option
from workbench.cli.tables import print_table
from workbench.cli.which_gateway import asked_gateway, url_option

if TYPE_CHECKING:
    from workbench.client.report_desk import ReportDesk

_USAGE = ("calls", "errors", "input_tokens", "output_tokens", "cost_usd", "calls_without_price")
_SHOWBACK = ("use_case", "calls", "cost_usd", "share_of_cost", "share_of_reserved", "reserved_usd", "total_usd")
_SLO = (
    "use_case",
    "calls",
    "success",
    "attainment",
    "target_attainment",
    "latency_ms_p95",
    "first_token_ms_p95",
    "met",
)
_CAPACITY = (
    "deployment", "state", "tokens_per_minute", "utilisation", "busiest_minute_tokens", "idle_usd", "movable_usd",
)  # fmt: skip
_SHARES = frozenset({"share_of_cost", "share_of_reserved", "success", "attainment", "target_attainment", "utilisation"})

csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV, all columns.")
_since_option = click.option("--last", metavar="7d", help="So long ago and since: 90m, 12h, 30d, 4w.")
_filter_option = click.option(
    "--where", multiple=True, metavar="NAME=VALUE",
    help="Only such calls, as model=fast, user=ana or tag:team=search; repeatable.",
)  # fmt: skip


@click.command()
@click.option("--by", metavar="NAMES", default="use_case,model", show_default=True,
              help="use_case, user, model, provider, deployment, day, month, path, stage, key, outcome, tag:NAME; "
              "several with commas, '' for one sum.")  # fmt: skip
@_since_option
@click.option("--since", metavar="TIME", help="Not before: 2026-11-22 or 2026-11-22T09:00:00Z.")
@click.option("--until", metavar="TIME", help="Before that time.")
@_filter_option
@url_option
@json_option
@csv_option
def report(
    *, by: str, last: str | None, since: str | None, until: str | None, where: tuple[str, ...], url: str | None,
    as_json: bool, as_csv: bool,
) -> None:  # fmt: skip
    """Tell what calls used and cost, by what you ask for; the dearest first."""
    told = _desk(url).usage(group_by=by, since=last or since, until=until, **_filters(where))
    names = [name.strip() for name in by.split(",") if name.strip()]
    if as_json or as_csv:
        _print(told, (), as_json=as_json, as_csv=as_csv)
        return
    _table(told["data"], [*names, *_USAGE], total=told["total"])
    if told["more"]:
        click.echo("There is more; ask for less time, or --json with fewer groups.", err=True)


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Default: this one, so far.")
@url_option
@json_option
@csv_option
def showback(*, month: str | None, url: str | None, as_json: bool, as_csv: bool) -> None:
    """Tell what each use case cost in a month, with its share of reserved capacity."""
    told = _desk(url).showback(month=month)
    _print(told, _SHOWBACK, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv) and told["idle_usd"]:
        click.echo(f"Reserved and used by nobody: {told['idle_usd']:,.2f} USD")


@click.command()
@_since_option
@_filter_option
@url_option
@json_option
@csv_option
def slo(*, last: str | None, where: tuple[str, ...], url: str | None, as_json: bool, as_csv: bool) -> None:
    """Tell which share of each use case's online calls was answered in time; default: the last 7 days."""
    _print(_desk(url).slo(since=last, **_filters(where)), _SLO, as_json=as_json, as_csv=as_csv)


@click.command()
@_since_option
@url_option
@json_option
@csv_option
def capacity(*, last: str | None, url: str | None, as_json: bool, as_csv: bool) -> None:
    """Tell how reserved capacity is used, and what to move there or give back; default: the last 7 days."""
    told = _desk(url).capacity(since=last)
    _print(told, _CAPACITY, as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        for row in told["data"]:
            for advice in row["advice"]:
                click.echo(f"- {advice}")


COMMANDS: Sequence[click.Command] = (report, showback, slo, capacity)


def _filters(where: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in where:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"--where {text!r}: expected NAME=VALUE.")
        found[name] = value
    return found


def _print(told: Mapping[str, Any], columns: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif as_csv:
        _csv(told["data"])
    else:
        _table(told["data"], columns)


def _csv(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            ["" if value is None else json.dumps(value) if isinstance(value, list) else _exact(value)
             for value in row.values()]
        )  # fmt: skip


def _exact(value: Any) -> Any:
    """Return money without an exponent: a spreadsheet is to read what the ledger says."""
    return f"{value:.12f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, total: Mapping[str, Any] | None = None
) -> None:
    from rich.table import Table

    if not rows:
        click.echo("No calls.")
        return
    table = Table(box=None, pad_edge=False, show_footer=total is not None)
    for name in columns:
        number = isinstance(rows[0].get(name), int | float) and not isinstance(rows[0].get(name), bool)
        footer = "" if total is None or name not in total else _shown(name)(total[name])
        table.add_column(name, footer=footer, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(_shown(name)(row.get(name)) for name in columns))
    print_table(table)


def _shown(name: str) -> Callable[[Any], str]:
    def show(value: Any) -> str:
        if value is None:
            return "-"
        if name in _SHARES:
            return f"{value:.1%}"
        if name.endswith("_usd"):
            return f"{value:,.4f}"
        if isinstance(value, float):
            return f"{value:,.0f}"
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

    return show


def _desk(url: str | None) -> ReportDesk:
    """Return the report desk of the gateway that is meant."""
    from workbench.client.report_desk import ReportDesk

    asked = asked_gateway(url)
    return ReportDesk(asked.url, asked.token)
