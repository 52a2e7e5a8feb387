"""Who takes a call among several that could."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from workbench.errors import ProviderError
from workbench.gateway.routing.models import Deployment


def at(provider: str, **fields) -> Deployment:
    return Deployment(provider=provider, kind="openai_compatible", model="m", **fields)


def tokens_at(there, name: str, count: int, *, tokens=lambda: 100) -> Counter[str]:
    served: Counter[str] = Counter()
    for _ in range(count):
        used = tokens()
        (provider,) = there.call(name, tokens=used)
        served[provider] += used
    return served


def test_equal_ones_share_equally_by_tokens_and_not_by_calls(world, model):
    chance = random.Random(7)
    served = tokens_at(world(model("a", "p", "q", "r")), "a", 3000, tokens=lambda: chance.choice((10, 1000)))
    assert max(served.values()) < 1.01 * min(served.values())


@pytest.mark.parametrize("fields", [("weight", 3.0, 1.0), ("tokens_per_minute", 3 * 10**9, 10**9)])
def test_weights_or_quotas_are_the_shares(world, model, fields):
    name, much, little = fields
    served = tokens_at(world(model("a", at("p", **{name: much}), at("q", **{name: little}))), "a", 1000)
    assert served["p"] == pytest.approx(3 * served["q"], rel=0.02)


def test_a_quota_that_only_some_have_is_no_share(world, model):
    served = tokens_at(world(model("a", at("p", tokens_per_minute=10**9), at("q"))), "a", 100)
    assert served["p"] == served["q"]


def test_weight_0_stands_in_and_no_more(world, model):
    there = world(model("a", at("p"), at("spare", weight=0), at("q")))
    assert tokens_at(there, "a", 50)["spare"] == 0
    down = lambda attempt: None if attempt.deployment.provider == "spare" else ProviderError("down")  # noqa: E731
    assert there.call("a", down)[-1] == "spare"


def test_concurrent_calls_are_spread_before_any_has_ended(world, model):
    there = world(model("a", "p", "q", "r"))
    going = [next(iter(there.attempts("a", size=400))) for _ in range(30)]
    assert Counter(attempt.deployment.provider for attempt in going) == {"p": 10, "q": 10, "r": 10}


def test_who_comes_back_is_not_flooded(world, model):
    there = world(model("a", "p", "q"), failures=1, cool_seconds=1)
    there.call("a", lambda a: ProviderError("down") if a.deployment.provider == "p" else None)
    tokens_at(there, "a", 1000)
    there.now += 5
    served = tokens_at(there, "a", 100)
    assert 45 * 100 <= served["p"] <= 55 * 100


def test_reserved_is_filled_to_98_percent_before_anything_spills_whatever_the_size_of_calls(world, model):
    chance = random.Random(11)
    quota = 200_000  # the largest calls need 5 % of it
    reserved = at("r", capacity="reserved", tokens_per_minute=quota)
    there = world(model("a", at("d"), reserved))
    health = there.of("a", 1)
    going: list = []
    spilled = 0
    for _ in range(20_000):
        there.now += 1.0
        while going and (len(going) > 30 or chance.random() < 0.5):
            attempts, attempt, tokens = going.pop(chance.randrange(len(going)))
            attempts.succeeded(attempt)
            attempts.settle(tokens)
        size = chance.choice((400, 4_000, 40_000))
        attempts = there.attempts("a", size=size)
        full = health.used(there.now) + health.pending
        attempt = next(iter(attempts))
        if attempt.deployment.provider == "d":
            spilled += 1
            assert full >= 0.98 * quota
        going.append((attempts, attempt, size // 3 + chance.randrange(100)))
    assert 1000 < spilled < 19_000


def test_the_quota_is_never_passed_by_more_than_the_last_call(world, model):
    there = world(model("a", at("p", tokens_per_minute=10_000), at("q", tokens_per_minute=10_000)))
    served = tokens_at(there, "a", 200)
    assert served == {"p": 10_000, "q": 10_000}
    there.now += 61
    assert tokens_at(there, "a", 10) == {"p": 500, "q": 500}
