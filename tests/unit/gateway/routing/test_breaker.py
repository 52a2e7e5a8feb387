"""When a deployment is passed over, for how long, and what brings it back."""

from __future__ import annotations

import pytest

from workbench.gateway.routing.breaker import Breaker
from workbench.settings import RoutingSettings


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(RoutingSettings(failures=3, cool_seconds=5, longest_cool_seconds=15))


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        call = object()
        breaker.begin(call, now)
        breaker.failed(call, now)


def test_it_opens_at_the_number_of_failures_in_a_row_and_not_before(breaker):
    fail(breaker, 0, 2)
    assert breaker.lets(0)
    breaker.succeeded(0)
    fail(breaker, 0, 2)
    assert breaker.condition == "closed"
    fail(breaker, 0)
    assert (breaker.condition, breaker.until) == ("open", 5)
    assert not breaker.lets(4.9)


def test_a_large_share_of_failures_opens_it_though_never_in_a_row(breaker):
    for _ in range(4):
        fail(breaker, 0)
        breaker.succeeded(0)
    assert breaker.condition == "closed"
    fail(breaker, 1, 2)
    assert breaker.condition == "open"


def test_failures_of_long_ago_do_not_count(breaker):
    for second in range(0, 400, 20):
        fail(breaker, second)
        breaker.succeeded(second + 1)
        breaker.succeeded(second + 2)
    assert breaker.condition == "closed"


def test_when_it_has_cooled_one_call_at_a_time_tries_it(breaker):
    fail(breaker, 0, 3)
    assert breaker.lets(5)
    trial = object()
    breaker.begin(trial, 5)
    assert breaker.condition == "half_open"
    assert not breaker.lets(5)
    breaker.succeeded(6)
    assert breaker.condition == "closed"
    assert breaker.lets(6)


def test_a_trial_that_fails_cools_it_for_twice_as_long_up_to_a_bound(breaker):
    fail(breaker, 0, 3)
    now = 0.0
    for expected in (5, 10, 15, 15):
        assert breaker.until - now == expected
        now = breaker.until
        fail(breaker, now)
    breaker.begin(object(), breaker.until)
    breaker.succeeded(breaker.until)
    fail(breaker, 1000, 3)
    assert breaker.until == 1005


def test_a_trial_that_tells_nothing_makes_room_for_the_next(breaker):
    fail(breaker, 0, 3)
    trial = object()
    breaker.begin(trial, 5)
    breaker.ended(object())
    assert not breaker.lets(5)
    breaker.ended(trial)
    assert breaker.lets(5)


def test_a_last_resort_that_fails_keeps_it_cool_no_longer_than_before(breaker):
    fail(breaker, 0, 3)
    for now in (1, 2, 3, 4):
        fail(breaker, now)
    assert breaker.until == 9
    assert breaker.lets(9)
