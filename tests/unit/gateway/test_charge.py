"""What a call costs: as the provider says, by the tier and look that it had, by the price of its day."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.openai_events import PicturesReader, ResponsesReader, look_of
from workbench.gateway.dialects.reader import Reader
from workbench.gateway.ledger.charge import charge, may_have_made
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.routing.models import Deployment
from workbench.settings import DatedPrice, Price

TOKENS = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000}


def row_of(reader: Reader, deployment: Deployment, book: PriceBook, time: str = "2026-11-22T00:00:00Z") -> LedgerRow:
    row = LedgerRow(request_id="r", time=time, stage="staging", path="/v1/chat/completions")
    charge(row, reader, book.of(deployment, time).rate, reader.usage(question_bytes=8))
    return row


def read(reader: Reader, **answer: Any) -> Reader:
    reader.whole(json.dumps(answer).encode())
    return reader


def book_of(*dated: DatedPrice) -> PriceBook:
    book = PriceBook(dated)
    book.load([], more=True)
    return book


def at(provider: str = "acme", model: str = "gpt-4o-mini", price: Price | None = None, **more: Any) -> Deployment:
    return Deployment(provider=provider, kind="openai", model=model, price=price, **more)


def dated(since: date, **prices: Any) -> DatedPrice:
    return DatedPrice.model_validate({"from": since, "input": 1.0, "output": 2.0, "model": "gpt-4o-mini", **prices})


@pytest.mark.parametrize("told", [0.25, "0.25", {"total_cost": 0.25, "input_tokens_cost": 0.1}])
def test_what_the_provider_says_that_it_costs_counts(told: object) -> None:
    row = row_of(read(UsageReader(), usage={**TOKENS, "cost": told}), at(), book_of())
    assert (row.cost_usd, row.cost_source, row.price_version) == (0.25, "provider", None)


@pytest.mark.parametrize("told", [-1, "x", None, [], {"total": 1}, 1e300, "nan", {}])
def test_a_cost_that_can_not_be_is_not_believed(told: object) -> None:
    row = row_of(read(UsageReader(), usage={**TOKENS, "cost": told}), at(), book_of())
    assert (row.cost_usd, row.cost_source) == (pytest.approx(0.15 + 0.06), "price_book")


def test_a_cost_in_a_header_counts_too() -> None:
    reader = read(UsageReader(), usage=TOKENS)
    reader.take_headers({"x-litellm-response-cost": "0.125"})
    assert row_of(reader, at(), book_of()).cost_usd == 0.125


@pytest.mark.parametrize(
    ("tier", "usd"), [("default", 0.21), ("priority", 0.35), ("flex", 0.21), ("auto", 0.21), (7, 0.21), (None, 0.21)]
)
def test_a_service_tier_has_its_price_where_the_table_knows_one(tier: object, usd: float) -> None:
    assert row_of(read(UsageReader(), usage=TOKENS, service_tier=tier), at(), book_of()).cost_usd == pytest.approx(usd)


def test_a_search_of_a_response_is_paid_by_the_piece() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 100_000}
    searches = [{"type": "web_search_call", "id": "ws_1"}, {"type": "message"}, {"type": "web_search_call"}]
    reader = read(ResponsesReader(), usage=usage, output=searches, status="completed")
    assert row_of(reader, at(), book_of()).cost_usd == pytest.approx(0.21 + 2 * 0.025)


@pytest.mark.parametrize(
    ("quality", "size", "usd"),
    [
        (None, None, 0.044),
        ("hd", "1024x1792", 7.19343e-8 * 1024 * 1792),
        ("hd", "9x9", 7.19343e-8 * 1024 * 1792),
    ],
)
def test_a_picture_costs_by_its_look_else_the_dearest(quality: str | None, size: str | None, usd: float) -> None:
    reader = read(PicturesReader(count=1, look=look_of(quality, size)), data=[{}])
    deployment = Deployment(provider="az", kind="azure", model="dall-e-3")
    assert row_of(reader, deployment, book_of()).cost_usd == pytest.approx(usd, rel=0.01)


def test_a_price_holds_from_its_day_on() -> None:
    book = book_of(dated(date(2026, 3, 1)), dated(date(2026, 1, 1), input=4.0), dated(date(2026, 3, 1), output=6.0))
    reader = read(UsageReader(), usage=TOKENS)
    for time, usd, version in (
        ("2025-12-31T23:59:59.999Z", 0.21, "litellm-"),
        ("2026-01-01T00:00:00.000Z", 4.2, "settings-2026-01-01-"),
        ("2026-02-28T23:59:59.999Z", 4.2, "settings-2026-01-01-"),
        ("2026-03-01T00:00:00.000Z", 1.6, "settings-2026-03-01-"),
    ):
        row = row_of(reader, at(), book, time)
        assert row.cost_usd == pytest.approx(usd)
        assert (row.price_version or "").startswith(version)


def test_another_price_has_another_name() -> None:
    names = {
        row_of(read(UsageReader(), usage=TOKENS), at(price=price), book_of()).price_version
        for price in (Price(input=1, output=2), Price(input=1, output=3), Price(input=1, output=2, call=1))
    }
    assert len(names) == 3


def test_a_name_beats_the_models_own_price_and_a_pattern_does_not() -> None:
    own = Price(input=9.0, output=0.0)
    reader = read(UsageReader(), usage=TOKENS)
    named, pattern = dated(date(2026, 1, 1)), dated(date(2026, 1, 1), model="gpt-*")
    assert row_of(reader, at(price=own), book_of(named)).cost_usd == pytest.approx(1.2)
    assert row_of(reader, at(price=own), book_of(pattern)).cost_usd == pytest.approx(9.0)
    assert row_of(reader, at(), book_of(pattern)).cost_usd == pytest.approx(1.2)
    elsewhere = dated(date(2026, 1, 1), provider="other")
    assert row_of(reader, at(), book_of(elsewhere)).cost_usd == pytest.approx(0.21)


def test_a_call_on_reserved_capacity_costs_nothing_and_says_so() -> None:
    deployment = at(capacity="reserved", reserved_usd_per_hour=12.5, price=Price(input=1, output=1))
    row = row_of(read(UsageReader(), usage=TOKENS), deployment, book_of())
    assert (row.cost_usd, row.cost_source, row.price_version) == (0.0, "reserved", "reserved@12.5/h")


def test_a_batch_costs_half_and_training_is_known() -> None:
    book = book_of()
    rate = book.of(at()).rate
    own = book.of(at(price=Price(input=8, output=8, batch=0.25, training=2))).rate
    assert rate is not None
    assert own is not None
    assert rate.graded("batch").tokens.input == pytest.approx(0.075e-6)
    assert own.graded("batch").tokens.output == pytest.approx(2e-6)
    assert rate.training(1_000_000) == pytest.approx(3.0)
    assert own.training(500_000) == pytest.approx(1.0)
    unknown = book.of(at(model="gpt-5")).rate
    assert unknown is not None
    assert unknown.training(1) is None


@pytest.mark.parametrize(
    ("limit", "seconds", "tokens"), [(None, 2.0, 100), (10, 2.0, 10), (0, 60.0, 0), (None, 1e6, 4096)]
)
def test_what_was_given_up_may_have_made_fifty_tokens_a_second(limit: int | None, seconds: float, tokens: int) -> None:
    assert may_have_made(Entry(), limit=limit, seconds=seconds) == tokens
