"""Invoices of several providers are read as they are exported, and their names brought together with the ledger's."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from workbench.cli.usage.drift import Drift, drifts, meant, total
from workbench.cli.usage.invoice import Columns, Line, read_invoice
from workbench.errors import InvalidInput

OPENAI = """start_time,end_time,start_time_iso,amount_value,amount_currency,line_item,project_id
1763769600,1763856000,2025-11-22T00:00:00+00:00,1.5,usd,"gpt-4o-mini-2024-07-18, input",proj_1
1763769600,1763856000,2025-11-22T00:00:00+00:00,0.5,usd,"gpt-4o-mini-2024-07-18, output",proj_1
"""
ANTHROPIC = """usage_date_utc,model,workspace,token_type,cost_usd
2025-11-22,claude-sonnet-4-5-20250929,Default,input_no_cache,2.0
"""
AZURE = """Date,MeterName,MeterSubCategory,CostInBillingCurrency,BillingCurrency
11/22/2025,gpt-4o-mini-0718-Inp-glbl Tokens,Azure OpenAI,2.0,EUR
"""
AWS = """line_item_usage_start_date,line_item_usage_type,line_item_unblended_cost,line_item_currency_code
2025-11-22T05:00:00Z,EUC1-Claude4.5Sonnet-input-tokens,2.0,USD
,,,
"""


def read(tmp_path: Path, text: str, columns: Columns | None = None, *, rate: float | None = None) -> list[Line]:
    file = tmp_path / "invoice.csv"
    file.write_text(text, "utf-8")
    return read_invoice(file, columns or Columns(), usd_per_unit=rate)


@pytest.mark.parametrize(
    ("text", "rate", "ledger", "usd"),
    [
        (OPENAI, None, "gpt-4o-mini", 2.0),
        (ANTHROPIC, None, "claude-sonnet-4-5", 2.0),
        (AZURE, 1.25, "gpt-4o-mini", 2.5),
        (AWS, None, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 2.0),
    ],
)
def test_an_export_is_read_as_it_is(tmp_path: Path, text: str, rate: float | None, ledger: str, usd: float) -> None:
    lines = read(tmp_path, text, rate=rate)
    assert {line.day for line in lines} == {date(2025, 11, 22)}
    others = {("", "gpt-4o"): 0.5, ("", "claude-haiku-4-5"): 0.5, ("", ledger): 1.0}
    found = drifts(others, [("", line.model, line.usd) for line in lines], {})
    assert [one.invoice_usd for one in found if one.ledger_usd == 1.0] == [usd]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("when,what,much\n", Columns(), "No column of the file tells the date"),
        (OPENAI, Columns(cost="price"), "no column 'price'"),
        (AZURE, Columns(), "is in EUR"),
        ("date,model,cost\nyesterday,a,1\n", Columns(), "Line 2: 'yesterday' is no day"),
        ("date,model,cost\n2025-11-22,a,one\n", Columns(), "Line 2: 'one' is no amount"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path: Path, text: str, columns: Columns, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, text, columns)
    assert said in str(caught.value)


def test_columns_can_be_named(tmp_path: Path) -> None:
    columns = Columns(date="When", model="what", cost="much")
    lines = read(tmp_path, 'When,what,much\n2025-11-22,a,"$1,234.50"\n', columns)
    assert lines == [Line(date(2025, 11, 22), "a", 1234.5)]


def test_the_closest_name_is_meant() -> None:
    known = {"gpt-4o", "gpt-4o-mini", "gpt-4"}
    assert meant("gpt-4o-mini-2024-07-18, cached input", known) == "gpt-4o-mini"
    assert meant("gpt 4o 0806 Outp glbl Tokens", known) == "gpt-4o"
    assert meant("Storage", known) == "storage"


def test_names_that_are_not_plain_can_be_mapped() -> None:
    found = drifts({("", "my-deployment"): 2.0}, [("", "Meter 7", 2.0)], {"Meter 7": "my-deployment"})
    assert found == [Drift("", "my-deployment", 2.0, 2.0)]


def test_drift_is_told_by_day_and_in_all() -> None:
    ledger = {("2025-11-22", "a"): 1.0, ("2025-11-23", "a"): 2.0}
    found = drifts(ledger, [("2025-11-22", "a", 1.0), ("2025-11-23", "a", 2.5)], {})
    assert [(one.day, one.usd) for one in found] == [("2025-11-22", 0.0), ("2025-11-23", 0.5)]
    assert total(found).share == pytest.approx(0.5 / 3.5)
    assert [one.beyond(0.1, least_usd=0.01) for one in found] == [False, True]
    assert not found[1].beyond(0.1, least_usd=1.0)
