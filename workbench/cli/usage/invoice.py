"""A provider's invoice as CSV: its columns found by their names in the exports of OpenAI, Anthropic, Azure and AWS."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from workbench.errors import InvalidInput

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "date": (
        "date", "usage_date_utc", "usage_date", "usagedate", "start_time_iso", "start_time", "day",
        "lineitem/usagestartdate", "line_item_usage_start_date", "chargeperiodstart", "usage start date",
        "bucket_start",
    ),
    "model": (
        "model", "model_name", "line_item", "meter", "metername", "meter name", "lineitem/usagetype",
        "line_item_usage_type", "sku description", "skudescription", "snapshot_id", "description",
    ),
    "cost": (
        "cost_usd", "costusd", "amount_value", "costinbillingcurrency", "cost", "pretaxcost", "lineitem/unblendedcost",
        "line_item_unblended_cost", "billedcost", "unblended_cost", "cost ($)", "amount", "usd",
    ),
    "currency": (
        "currency", "amount_currency", "billingcurrency", "billing_currency", "billingcurrencycode",
        "lineitem/currencycode", "line_item_currency_code", "currencycode",
    ),
}  # fmt: skip
"""What the columns are called, the likeliest first."""
_NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?([eE]-?\d+)?|-?\.\d+")
_MOST_TIMESTAMP = 4_102_444_800


@dataclass(frozen=True)
class Line:
    """One line of an invoice."""

    day: date
    """The day, UTC."""
    model: str
    """What it is for, in the provider's words."""
    usd: float
    """US dollars."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column tells what; None: found by its name."""

    date: str | None = None
    model: str | None = None
    cost: str | None = None
    currency: str | None = None


def read_invoice(path: Path, columns: Columns, *, usd_per_unit: float | None) -> list[Line]:
    """Return the lines of a CSV file; raises InvalidInput that tells the line and what is wrong with it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = _found(list(rows.fieldnames or ()), columns)
            return list(_lines(rows, names, usd_per_unit))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} can't be read: {error}.", hint="It must be a CSV file in UTF-8.") from error


def _found(present: list[str], columns: Columns) -> dict[str, str]:
    by_name = {name.strip().lower(): name for name in present}
    names: dict[str, str] = {}
    for what, candidates in _COLUMNS.items():
        said: str | None = getattr(columns, what)
        if said is not None and said.strip().lower() not in by_name:
            raise InvalidInput(f"The file has no column {said!r}.", hint=f"It has {', '.join(present)}.")
        found = next(
            (by_name[name] for name in ((said.strip().lower(),) if said else candidates) if name in by_name), None
        )
        if found is not None:
            names[what] = found
        elif what != "currency":
            raise InvalidInput(
                f"No column of the file tells the {what}.",
                hint=f"Say it: --{what}-column NAME. The file has {', '.join(present) or 'no head'}.",
            )
    return names


def _lines(rows: csv.DictReader[str], names: Mapping[str, str], usd_per_unit: float | None) -> Iterator[Line]:
    for row in rows:
        told, cost = row.get(names["date"]) or "", row.get(names["cost"]) or ""
        if not told.strip() or not cost.strip():
            continue  # a line of sums, or an empty one
        currency = (row.get(names.get("currency", "")) or "USD").strip().upper()
        if currency != "USD" and usd_per_unit is None:
            raise InvalidInput(
                f"Line {rows.line_num} is in {currency}.", hint="Say what one is worth: --usd-per-unit 1.08."
            )
        factor = 1.0 if currency == "USD" and usd_per_unit is None else usd_per_unit or 1.0
        usd = _amount(cost, rows.line_num) * factor
        yield Line(_day(told, rows.line_num), (row.get(names["model"]) or "").strip(), usd)


def _amount(text: str, line: int) -> float:
    found = _NUMBER.fullmatch(text.strip().lstrip("$").strip())
    if found is None:
        raise InvalidInput(f"Line {line}: {text[:40]!r} is no amount.", hint="Amounts look like 12.50.")
    return float(found[0].replace(",", ""))


def _day(text: str, line: int) -> date:
    text = text.strip()
    if text.isdigit() and 0 < int(text) < _MOST_TIMESTAMP and len(text) > len("20261122"):
        return datetime.fromtimestamp(int(text), UTC).date()
    for form in ("%m/%d/%Y", "%d.%m.%Y"):
        try:
            return datetime.strptime(text[:10].strip(), form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except ValueError as error:
        raise InvalidInput(f"Line {line}: {text[:40]!r} is no day.", hint="Days look like 2026-11-22.") from error
