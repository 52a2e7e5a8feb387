"""What a batch's results come to: answers that do not say what they used are counted, never taken for free."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.routing.models import Deployment, Model, Models
from workbench.gateway.settlement.tally import Tally
from workbench.settings import Price

USED = {"prompt_tokens": 10, "completion_tokens": 5}
COST = (10 * 1.0 + 5 * 2.0) / 1e6 / 2


@pytest.fixture
def tally() -> Tally:
    place = Deployment(provider="acme", kind="openai", model="m", price=Price(input=1.0, output=2.0))
    book = PriceBook()
    book.load([place])
    models = Models([Model(name="fast", task="chat", deployments=(place,))])
    return Tally(models, book, provider="acme", kind="openai", time="2026-11-01T00:00:00Z")


def line(body: Any, status: int = 200) -> bytes:
    return json.dumps({"custom_id": "c", "response": {"status_code": status, "body": body}}).encode()


@pytest.mark.parametrize("raw", [
    b"not json",
    line({"model": "m", "choices": []}),
    line({"model": "m", "choices": [], "usage": {"prompt_tokens": "many"}}),
    line({"model": "m", "choices": [], "usage": {"prompt_tokens": -1}}),
    line(["choices"]),
    line({"model": "m", "choices": [], "usage": {}}),
    line({"model": "m", "choices": []}, status=201),
    json.dumps({"response": {"body": {"model": "m", "choices": []}}}).encode(),
], ids=[
    "no JSON", "no usage", "a word", "less than nothing", "no object", "nothing", "another success", "no status",
])  # fmt: skip
def test_an_answer_that_does_not_say_what_it_used_is_unread(tally: Tally, raw: bytes) -> None:
    tally.line(raw)
    assert (tally.unread, tally.shares) == (1, {})


@pytest.mark.parametrize(
    "raw", [b"", b"\r", line({"error": {}}, status=400), line({"id": "modr-1", "model": "m", "results": []})]
)
def test_what_costs_nothing_is_not_missed(tally: Tally, raw: bytes) -> None:
    tally.line(raw)
    assert (tally.unread, tally.shares) == (0, {})


def test_what_a_batch_says_of_itself_takes_the_place_of_its_lines(tally: Tally) -> None:
    tally.line(line({"model": "m", "choices": [], "usage": USED}))
    tally.line(b"not json")
    assert not tally.sum({"status": "completed"})
    assert tally.shares == {}
    assert tally.sum({"model": "m", "usage": {"input_tokens": 20, "output_tokens": 10}})
    (share,) = tally.shares.values()
    assert (share.name, share.cost_usd, tally.unread) == ("fast", pytest.approx(2 * COST), 0)
