"""Limits that two processes share through Redis: what passes never passes the limit, and all of it can be used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from workbench.errors import MissingComponent, Unavailable
from workbench.gateway.access.limits import Limits
from workbench.gateway.admission.redis_limits import LIMITS_UNAVAILABLE, SCRIPT, RedisLimits, SharedLimits
from workbench.gateway.admission.short import with_leases
from workbench.testing.redis import RedisServer, redis_server

pytestmark = pytest.mark.anyio
NOON = 1_800_000_000_000
"""Milliseconds of an injected clock."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    try:
        with redis_server() as running:
            yield running
    except MissingComponent as error:
        pytest.skip(str(error))


@pytest.fixture
def store(server: RedisServer) -> Iterator[Any]:
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
async def desks(server: RedisServer, store: Any) -> AsyncIterator[list[RedisLimits]]:
    del store
    opened = [RedisLimits(server.url, when_down="refuse") for _ in range(2)]
    for desk in opened:
        await desk.open()
    yield opened
    for desk in opened:
        await desk.close()


def account(desk: RedisLimits, row: str = "key_1") -> SharedLimits:
    gauge: Any = SimpleNamespace(terms=SimpleNamespace(row=row), shared=None)
    desk.attach(gauge)
    assert isinstance(gauge.shared, SharedLimits)
    return gauge.shared


async def begin(shared: SharedLimits, limits: Limits, tokens: int = 0) -> str | None:
    """Let a call begin; return the limit that it lacked."""

    def step() -> str | None:
        lack = shared.lack(limits, tokens)
        if lack is None:
            shared.enter(tokens)
            return None
        return lack[0]

    return await with_leases(step)


@pytest.mark.parametrize("field", ["requests_per_minute", "requests_per_day", "concurrent"])
async def test_exactly_the_limit_passes_when_two_take_turns(desks: list[RedisLimits], field: str) -> None:
    limits = Limits(**{field: 37})
    both = [account(desk) for desk in desks]
    told = [await begin(both[call % 2], limits) for call in range(50)]
    assert told.count(None) == 37
    assert set(told) == {None, field}


async def test_exactly_the_limit_passes_when_one_comes_first_and_the_other_after(desks: list[RedisLimits]) -> None:
    limits = Limits(requests_per_minute=30)
    first, second = (account(desk) for desk in desks)
    assert [await begin(first, limits) for _ in range(5)] == [None] * 5
    told = [await begin(second, limits) for _ in range(40)]
    assert told.count(None) == 25


async def test_exactly_the_limit_passes_when_all_come_at_once(desks: list[RedisLimits]) -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=1000)
    both = [account(desk) for desk in desks]
    told = await asyncio.gather(*(begin(both[call % 2], limits, 10) for call in range(200)))
    assert told.count(None) == 60
    by_tokens = [account(desk, "key_2") for desk in desks]
    told = await asyncio.gather(*(begin(by_tokens[call % 2], limits, 25) for call in range(100)))
    assert told.count(None) == 40


async def test_calls_that_end_make_room_on_either_side(desks: list[RedisLimits]) -> None:
    limits = Limits(concurrent=3)
    first, second = (account(desk) for desk in desks)
    assert [await begin(first, limits) for _ in range(4)] == [None, None, None, "concurrent"]
    for _ in range(3):
        first.leave(0, 0)
    told = None
    for _ in range(3):
        told = told or await begin(second, limits)
    assert told is None


async def test_tokens_that_were_not_used_can_be_used_by_the_other(desks: list[RedisLimits]) -> None:
    limits = Limits(tokens_per_minute=1000)
    first, second = (account(desk) for desk in desks)
    assert await begin(first, limits, 900) is None
    assert await begin(second, limits, 500) == "tokens_per_minute"
    first.leave(900, 100)
    assert await asyncio.wait_for(_until(lambda: begin(second, limits, 900)), timeout=10) is None
    assert await begin(first, limits, 1) == "tokens_per_minute"


async def _until(step: Any) -> None:
    while await step() is not None:
        pass


async def test_no_call_asks_redis_while_the_lease_lasts(desks: list[RedisLimits], store: Any) -> None:
    limits = Limits(requests_per_minute=1000)
    shared = account(desks[0])
    before = store.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    for _ in range(400):
        assert await begin(shared, limits) is None
    asked = store.info("commandstats")["cmdstat_evalsha"]["calls"] - before
    assert asked < 120


async def test_a_redis_that_forgets_everything_is_used_again(desks: list[RedisLimits], store: Any) -> None:
    limits = Limits(requests_per_minute=10)
    shared = account(desks[0])
    assert [await begin(shared, limits) for _ in range(11)].count(None) == 10
    store.flushall()
    assert await asyncio.wait_for(_until(lambda: begin(shared, limits)), timeout=10) is None


async def test_a_redis_that_is_gone_is_told_by_name_in_bounded_time_and_used_again(
    desks: list[RedisLimits], server: RedisServer
) -> None:
    limits = Limits(concurrent=1)
    assert await begin(account(desks[0]), limits) is None
    server.stop()
    try:
        with pytest.raises(Unavailable) as told:
            await asyncio.wait_for(begin(account(desks[1]), limits), timeout=10)
        assert told.value.error_code == LIMITS_UNAVAILABLE
        assert "Redis" in str(told.value)
    finally:
        server.start()

    async def again() -> str | None:
        try:
            return await begin(account(desks[1], "key_3"), limits)
        except Unavailable:
            await asyncio.sleep(0.05)
            return "unavailable"

    assert await asyncio.wait_for(_until(again), timeout=20) is None


async def test_by_policy_each_counts_for_itself_while_redis_is_gone() -> None:
    desk = RedisLimits("redis://127.0.0.1:9/0", when_down="local")
    await desk.open()
    shared = account(desk)
    assert [await begin(shared, Limits(requests_per_minute=1)) for _ in range(3)] == [None] * 3
    await desk.close()


def step(store: Any, **ask: Any) -> dict[str, Any]:
    """Run the script once, at a given time."""
    known = {"worker": "a", "known": False, "ttl": 60_000, "limits": {"m": 10}, "burst": 1}
    return dict(json.loads(store.eval(SCRIPT.read_text(), 1, "workbench:limits:x", json.dumps({**known, **ask}))))


def test_a_minute_counts_from_when_a_call_was_told(store: Any) -> None:
    assert step(store, now=NOON, need={"m": 10})["granted"] == {"m": 10}
    step(store, now=NOON + 500, used={"m": 10})
    refused = step(store, now=NOON + 1000, need={"m": 1})
    assert (refused["lack"], refused["wait"]) == ("m", 60_000)
    assert "lack" in step(store, now=NOON + 60_000, need={"m": 1})
    assert step(store, now=NOON + 61_000, need={"m": 10})["granted"] == {"m": 10}


def test_a_clock_that_steps_back_locks_no_window_and_opens_none(store: Any) -> None:
    step(store, now=NOON, need={"m": 10})
    step(store, now=NOON, used={"m": 10})
    earlier = NOON - 7 * 86_400_000
    assert "lack" in step(store, now=earlier, need={"m": 1})
    assert step(store, now=earlier + 61_000, need={"m": 10})["granted"] == {"m": 10}


def test_a_day_ends_at_midnight_and_stays_used_when_the_clock_steps_back(store: Any) -> None:
    limits = {"d": 5}
    step(store, now=NOON, limits=limits, need={"d": 5})
    step(store, now=NOON, limits=limits, used={"d": 5})
    assert "lack" in step(store, now=NOON - 86_400_000, limits=limits, need={"d": 1})
    assert step(store, now=NOON, limits=limits, need={"d": 1})["granted"] == {"d": 1}  # the next day, by that clock


def test_what_a_dead_process_had_leased_counts_as_used_and_its_calls_as_ended(store: Any) -> None:
    limits = {"m": 10, "c": 4}
    step(store, worker="dead", ttl=1, now=NOON, limits=limits, need={"m": 6, "c": 4})
    while store.exists("workbench:alive:dead"):
        pass
    told = step(store, now=NOON, limits=limits, need={"c": 1})
    assert told["granted"] == {"c": 1}
    assert told["free"] == {"m": 4, "c": 3}


def test_a_bucket_gives_its_burst_once_whoever_holds_it(store: Any) -> None:
    how: dict[str, Any] = {"limits": {"s": 2}, "burst": 5}
    assert step(store, now=NOON, need={"s": 4}, **how)["granted"] == {"s": 4}
    told = step(store, worker="b", now=NOON + 10_000, need={"s": 2}, rest=True, **how)
    assert (told["lack"], told["free"]["s"]) == ("s", 1)
    step(store, now=NOON + 10_000, used={"s": 4}, **how)
    assert step(store, worker="b", now=NOON + 11_000, need={"s": 2}, **how)["granted"] == {"s": 2}


def test_one_call_larger_than_the_limit_may_go_alone(store: Any) -> None:
    limits = {"k": 100}
    assert step(store, now=NOON, limits=limits, need={"k": 500})["granted"] == {"k": 500}
    assert "lack" in step(store, worker="b", now=NOON, limits=limits, need={"k": 500}, rest=True)
