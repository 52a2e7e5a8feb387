"""What a batch can cost at most is told only where every line has a bound."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.rate import Rate, TokenPrices
from workbench.gateway.unified.objects.batch_most import BatchMost

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
USD = 1e-6
KNOWN = Entry(Rate(TokenPrices(USD, 2 * USD, USD, USD), "settings"))
SAID = [{"role": "user", "content": "two words"}]
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
FUNCTION = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def most(url: str, *bodies: dict[str, Any], prices: tuple[Entry, ...] = (KNOWN,)) -> float | None:
    found = BatchMost()
    for body in bodies:
        found.add(url, json.dumps({"model": "m", **body}).encode(), prices)
    return found.usd


@pytest.mark.parametrize(("url", "body"), [
    (CHAT, {"messages": SAID, "max_tokens": 100, "temperature": 0, "n": 1, "tools": [FUNCTION]}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "two words"}]}], "max_tokens": 100}),
    (CHAT, {"messages": SAID, "max_tokens": None, "max_completion_tokens": 100}),
    ("/v1/completions", {"prompt": ["two words"], "max_tokens": 100}),
    (RESPONSES, {"input": "two words", "instructions": "Be short.", "max_output_tokens": 100}),
    (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}],
                 "max_output_tokens": 100, "tools": [{"type": "function", "name": "look"}]}),
])  # fmt: skip
def test_texts_functions_and_one_limit_have_a_bound(url: str, body: dict[str, Any]) -> None:
    told = most(url, body)
    assert told is not None
    assert 200 * USD <= told < 1000 * USD


@pytest.mark.parametrize(("url", "body"), [
    ("/v1/embeddings", {"input": "two words"}),
    ("/v1/embeddings", {"input": [[1, 2, 3], [4]]}),
    ("/v1/moderations", {"input": ["two words"]}),
])  # fmt: skip
def test_what_makes_no_text_costs_its_input(url: str, body: dict[str, Any]) -> None:
    told = most(url, body)
    assert told is not None
    assert 0 < told < 100 * USD


@pytest.mark.parametrize(("url", "body"), [
    (CHAT, {"messages": SAID, "max_tokens": 5000, "max_completion_tokens": 5}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "web_search_options": {}}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "prediction": {"type": "content", "content": "x"}}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "tools": [{"type": "web_search"}]}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "tools": [FUNCTION, {"type": "custom", "custom": {"name": "x"}}]}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "tools": "all"}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "modalities": ["text", "audio"], "audio": {"voice": "alloy"}}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "service_tier": "priority"}),
    (CHAT, {"messages": SAID, "max_tokens": 5, "plugins": [{"id": "web"}]}),
    (CHAT, {"messages": [{"role": "user", "content": [PICTURE]}], "max_tokens": 5}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}], "max_tokens": 5}),
    (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "a"}}, *SAID], "max_tokens": 5}),
    (CHAT, {"messages": "two words", "max_tokens": "any"}),
    ("/v1/completions", {"prompt": "x", "best_of": 20, "max_tokens": 5}),
    ("/v1/completions", {"prompt": {"id": "x"}, "max_tokens": 5}),
    (RESPONSES, {"input": "x", "max_output_tokens": 5, "n": 9}),
    (RESPONSES, {"prompt": {"id": "pmpt_1"}, "max_output_tokens": 5}),
    (RESPONSES, {"input": "x", "max_output_tokens": 5, "tools": [{"type": "code_interpreter"}]}),
    (RESPONSES, {"input": "x", "max_output_tokens": 5, "conversation": "conv_1"}),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}], "max_output_tokens": 5}),
    (RESPONSES, {"input": [{"type": ["message"]}], "max_output_tokens": 5}),
    (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}],
                 "max_output_tokens": 5}),
    ("/v1/embeddings", {"input": [{"image": "x"}]}),
    ("/v1/moderations", {"input": [PICTURE]}),
])  # fmt: skip
def test_whatever_else_a_line_holds_leaves_the_sum_unknown(url: str, body: dict[str, Any]) -> None:
    assert most(url, body) is None
    good: dict[str, Any] = {"messages": SAID, "max_tokens": 5}
    if url == CHAT:
        assert most(url, good, body, good) is None, "one such line is enough"


def test_the_dearest_price_that_is_to_come_counts() -> None:
    dear = Entry(Rate(TokenPrices(10 * USD, 20 * USD, USD, USD), "settings"))
    body = {"messages": SAID, "max_tokens": 100}
    now, then = most(CHAT, body), most(CHAT, body, prices=(KNOWN, dear))
    assert now is not None
    assert then == pytest.approx(10 * now)
    assert most(CHAT, body, prices=(KNOWN, Entry())) is None


def test_a_file_is_the_sum_of_its_lines() -> None:
    body = {"messages": SAID, "max_tokens": 100}
    one, three = most(CHAT, body), most(CHAT, body, body, body)
    assert one is not None
    assert three == pytest.approx(3 * one)
