"""A quota lets through what fits its window, and says how long the rest must wait."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.quota import Quota, Quotas, whole_seconds
from workbench.simulator.state import State


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def exchange(**fields: Any) -> Exchange:
    told = {
        "method": "POST",
        "path": "/v1/chat/completions",
        "sent_path": "/v1/chat/completions",
        "query_string": "",
        "headers": {"authorization": "Bearer mine"},
        "raw": b"",
        "body": {"model": "m"},
        "url": "http://x",
        "state": State(),
    }
    return Exchange(**{**told, **fields})


def test_requests_over_the_window_wait_until_the_first_has_left_it() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    quotas.add(Quota(requests=2, seconds=10))
    assert quotas.spend(exchange(), "openai", 0)[0] is None
    clock.now += 4
    assert quotas.spend(exchange(), "openai", 0)[0] is None
    clock.now += 1
    assert quotas.spend(exchange(), "openai", 0)[0] == 5
    clock.now += 5
    assert quotas.spend(exchange(), "openai", 0)[0] is None


def test_tokens_are_counted_and_what_is_refused_costs_nothing() -> None:
    clock = Clock()
    quotas = Quotas(clock=clock)
    quotas.add(Quota(tokens=100))
    wait, left = quotas.spend(exchange(), "openai", 60)
    assert wait is None
    assert left
    assert left.tokens == 40
    assert quotas.spend(exchange(), "openai", 50)[0] == 60
    assert quotas.spend(exchange(), "openai", 40)[0] is None
    assert quotas.used()[0]["used"] == {"requests": 2, "tokens": 100}


def test_only_what_fits_every_selector_counts() -> None:
    quotas = Quotas()
    quotas.add(Quota(requests=0, region="eu", model="m*", path="/v1/*", provider="openai", credential="mine"))
    assert quotas.spend(exchange(region="eu"), "openai", 0)[0] is not None
    for other in ({"region": "us"}, {"region": "eu", "body": {"model": "x"}}, {"region": "eu", "path": "/v2/x"}):
        assert quotas.spend(exchange(**other), "openai", 0)[0] is None
    assert quotas.spend(exchange(region="eu"), "azure", 0)[0] is None
    assert quotas.spend(exchange(region="eu", headers={"api-key": "yours"}), "openai", 0)[0] is None


def test_a_request_is_booked_on_all_of_its_quotas_or_on_none() -> None:
    quotas = Quotas()
    quotas.add(Quota(requests=10))
    quotas.add(Quota(requests=1, region="eu"))
    quotas.spend(exchange(region="eu"), "openai", 0)
    quotas.spend(exchange(region="eu"), "openai", 0)
    assert [told["used"] for told in quotas.used()] == [{"requests": 1, "tokens": 0}] * 2


def test_a_wait_is_told_in_whole_seconds_never_none() -> None:
    assert [whole_seconds(wait) for wait in (0, 0.2, 1, 1.1)] == [1, 1, 1, 2]
