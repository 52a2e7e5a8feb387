"""What is paid later is charged once, whoever ended in the middle of it, and what has no price is not given back."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workbench.gateway.admission import deposits
from workbench.gateway.admission.money_leases import MoneyAccount
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.settlement.rows import charge_what_was_kept
from workbench.gateway.settlement.store import Due

PICO = 10**12


def due(**more: Any) -> Due:
    return Due(**{"kind": "batch", "provider": "acme", "upstream_id": "b", "created_at": time.time(), **more})


def row(cost: float | None) -> LedgerRow:
    return LedgerRow(request_id="r", time="t", stage="s", path="/v1/batches", cost_usd=cost)


def test_rows_without_a_price_cost_what_was_kept() -> None:
    rows = [row(0.25), row(None), row(None)]
    charge_what_was_kept(due(held=PICO), rows)
    assert [(one.cost_usd, one.cost_source) for one in rows] == [(0.25, None), (0.75, "estimated"), (0.0, "estimated")]
    rows = [row(None)]
    charge_what_was_kept(due(), rows)
    assert rows[0].cost_usd is None, "nothing was kept, so nobody knows"


@pytest.mark.parametrize(("paying", "held", "age", "half_paid", "anothers"), [
    (None, None, 0, False, False),
    (None, 5, 0, False, False),
    (deposits.TAKEN, None, 0, True, True),
    (deposits.TAKEN, 5, 0, False, False),
    (deposits.AWAITED, None, 5, False, True),
    (deposits.AWAITED, None, 900, True, True),
    ("mine@{now}", None, 0, False, False),
    ("theirs@{now}", None, 0, False, True),
    ("theirs@1000", None, 0, False, False),
])  # fmt: skip
def test_who_may_go_on(paying: str | None, held: int | None, age: float, *, half_paid: bool, anothers: bool) -> None:
    told = paying.format(now=int(time.time())) if paying else None
    one = due(paying=told, held=held, created_at=time.time() - age)
    assert one.half_paid is half_paid
    assert half_paid or one.is_anothers("mine") is anothers


def test_what_is_spent_beyond_a_lease_is_not_counted_of_it() -> None:
    account = MoneyAccount(cast("Any", SimpleNamespace()), cast("Any", SimpleNamespace()))
    account.left, account.held = 2, 10
    account.settle(10, 9)
    assert (account.left, account.held) == (3, 0)
    account.held = 10
    account.settle(10, 15)
    assert account.left == 0, "the rest is told by the row"
    account.left = -4
    account.settle(0, 7)
    assert account.left == -4
