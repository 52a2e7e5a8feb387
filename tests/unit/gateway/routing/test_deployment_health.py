"""What is known of a deployment: its quota, what it told, what is held for it."""

from __future__ import annotations

import pytest

from workbench.errors import ProviderCredential, ProviderError, ProviderLimit, ProviderUnavailable
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Deployment
from workbench.gateway.routing.retry_budget import RetryBudget
from workbench.gateway.routing.told import told_by
from workbench.gateway.routing.window import MinuteWindow


def at(provider: str, **fields) -> Deployment:
    return Deployment(provider=provider, kind="openai_compatible", model="m", **fields)


def test_a_window_forgets_a_minute_later_and_not_before():
    window = MinuteWindow()
    window.add(10, 0.5)
    window.add(5, 30.0)
    assert [window.total(now) for now in (0.6, 60.4, 61.5, 90.9, 91.5)] == [15, 15, 5, 5, 0]
    window.add(7, 1000.0)
    assert (window.total(1000.0), window.total(5000.0)) == (7, 0)


def test_a_window_survives_a_clock_that_stands_or_steps_back():
    window = MinuteWindow()
    window.add(1, 100.0)
    window.add(1, 99.0)
    assert window.total(99.0) == 2


def test_a_retry_budget_gives_a_share_of_the_calls_and_some_a_second():
    budget = RetryBudget(share=0.2, per_second=0, now=0)
    assert budget.spend(0)
    assert not budget.spend(0)
    for _ in range(10):
        budget.earn()
    assert [budget.spend(0) for _ in range(3)] == [True, True, False]
    budget = RetryBudget(share=0, per_second=2, now=0)
    assert [budget.spend(0) for _ in range(3)] == [True, True, False]
    assert [budget.spend(1) for _ in range(3)] == [True, True, False]
    assert sum(budget.spend(10_000) for _ in range(1000)) == 20


def test_what_calls_use_is_learned_from_those_before(world, model):
    there = world(model("a", "p"))
    assert there.of("a").begin(400, 0).tokens == 164
    for _ in range(200):
        there.call("a", size=400, tokens=1640)
    assert there.of("a").begin(400, 0).tokens == pytest.approx(1640, rel=0.01)
    assert there.of("a").begin(4000, 0).tokens == pytest.approx(10640, rel=0.01)


def test_a_call_that_does_not_fit_has_no_room(world, model):
    there = world(model("a", at("p", tokens_per_minute=1000)))
    health = there.of("a")
    assert health.room(400, there.now)
    there.call("a", tokens=990)
    assert not health.room(400, there.now)
    assert health.left(there.now) == 10
    there.now += 61
    assert health.room(400, there.now)


def test_calls_under_way_take_room(world, model):
    there = world(model("a", at("p", tokens_per_minute=10_000)))
    health = there.of("a")
    holds = [health.begin(4000, there.now) for _ in range(9)]
    assert health.left(there.now) == 10_000 - 9 * 1064
    for hold in holds:
        health.end(hold, 0, there.now)
    assert (health.left(there.now), health.pending, health.in_flight) == (10_000, 0, 0)


@pytest.mark.parametrize("family", [
    ("x-ratelimit-remaining-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-requests-remaining", None),
])  # fmt: skip
def test_what_a_provider_tells_of_its_limits_counts(world, model, family):
    tokens, requests, reset = family
    there = world(model("a", "p", "q"))
    health = there.of("a")
    health.succeeded(health.begin(0, there.now), there.now, {tokens: "100", requests: "2"})
    assert health.left(there.now) == 100
    assert health.room(0, there.now)
    health.begin(0, there.now)
    assert health.left(there.now) == 36
    assert not health.room(0, there.now)
    health.succeeded(health.begin(0, there.now), there.now, {tokens: "10000", requests: "0"})
    assert not health.room(0, there.now)
    assert health.room(0, there.now + 60)
    if reset is not None:
        health.succeeded(health.begin(0, there.now), there.now, {requests: "0", reset: "1.5s"})
        assert health.room(0, there.now + 1.5)


@pytest.mark.parametrize(("text", "seconds"), [
    ("1s", 1), ("12ms", 0.012), ("0m30s", 30), ("6m0s", 60), ("1h", 60), ("nonsense", 60), ("2020-01-01T00:00:00Z", 0),
])  # fmt: skip
def test_a_reset_is_read_in_every_known_form(text, seconds):
    told = told_by({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": text}, 0)
    assert told is not None
    assert told.until == pytest.approx(seconds)


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-remaining-tokens": "many"}, {"x-ratelimit-limit-tokens": "9"}])
def test_headers_that_tell_nothing_change_nothing(headers):
    assert told_by(headers, 0) is None


def test_a_429_cools_for_as_long_as_it_says_and_else_longer_each_time(world, model):
    there = world(model("a", "p"))
    health = there.of("a")

    def cooled(error):
        health.failed(health.begin(0, there.now), error, there.now)
        return health.limited_until - there.now

    assert cooled(ProviderLimit("no", retry_after=7)) == 7
    health.succeeded(health.begin(0, there.now), there.now)
    assert [cooled(ProviderLimit("no")) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert health.breaker.condition == "closed"
    health.succeeded(health.begin(0, there.now), there.now)
    assert cooled(ProviderLimit("no")) == 1
    health.succeeded(health.begin(0, there.now), there.now)
    assert cooled(ProviderUnavailable("busy", retry_after=3)) == 3


def test_a_refused_credential_cools_all_of_the_provider_until_it_is_taken(world, model):
    kind = "openai_compatible"
    there = world(model("a", Deployment("p", kind, "one"), Deployment("p", kind, "two"), "q"))
    one, two, other = (there.of("a", number) for number in range(3))
    one.failed(one.begin(0, there.now), ProviderCredential("401"), there.now)
    assert [health.available(there.now) for health in (one, two, other)] == [False, False, True]
    two.succeeded(two.begin(0, there.now), there.now)
    assert one.available(there.now)


def test_a_failure_in_the_middle_of_an_answer_counts_and_its_tokens_too(world, model):
    there = world(model("a", "p"), failures=1)
    attempts = there.attempts("a")
    attempt = next(iter(attempts))
    attempts.succeeded(attempt)
    attempts.failed(attempt, ProviderError("cut"))
    attempts.settle(500)
    assert there.of("a").breaker.condition == "open"
    assert there.of("a").used(there.now) == 500
    assert there.of("a").in_flight == 0


def test_memory_is_bounded_whatever_names_pass(world, model):
    there = world(model("a", "p"))
    for number in range(5000):
        there.health.of(at("p", region=str(number)))
    assert len(list(there.health)) <= 1 + 1000


def test_the_same_upstream_thing_has_one_health_in_all_models(world, model):
    there = world(model("a", "p"), model("b", "p", "q"))
    assert there.of("a") is there.of("b")


def test_health_of_what_is_described_alike_goes_on_and_a_mended_credential_is_tried_at_once(world, model):
    there = world(model("a", "p", at("q", tokens_per_minute=5), "r"))
    for number in range(3):
        there.call("a", tokens=100)
        there.of("a", number).failed(there.of("a", number).begin(0, 0), ProviderError("x"), there.now)
    there.of("a").failed(there.of("a").begin(0, 0), ProviderCredential("401"), there.now)
    passing = there.health.of(at("p", region="passing"))
    new = [at("p", weight=2), at("q", tokens_per_minute=6), at("r")]
    after = Health(there.health.policy, new, before=there.health, changed={"r"})
    assert [after.of(one).last_error for one in new] == ["provider_credential", None, None]
    assert after.of(new[0]).deployment.weight == 2
    assert after.of(new[0]).available(there.now)
    assert after.of(at("p", region="passing")) is passing
