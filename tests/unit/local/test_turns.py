from __future__ import annotations

import asyncio
from typing import Any

import pytest

from workbench.local.turns import Turns

LONG = {"role": "system", "content": "x" * 1000}
CASE = {"role": "user", "content": "?"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def most_at_once(turns: Turns, calls: list[tuple[str, list[Any]]]) -> int:
    inside = most = 0

    async def call(model: str, messages: list[Any]) -> None:
        nonlocal inside, most
        async with turns.turn(model, messages):
            inside += 1
            most = max(most, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(call(*arguments) for arguments in calls))
    return most


@pytest.mark.anyio
async def test_calls_with_a_long_common_beginning_go_one_after_the_other() -> None:
    cases = [{"role": "user", "content": str(n)} for n in range(4)]
    assert await most_at_once(Turns(), [("m", [LONG, case]) for case in cases]) == 1


@pytest.mark.anyio
async def test_calls_that_share_nothing_worth_it_go_side_by_side() -> None:
    other = {"role": "system", "content": "y" * 1000}
    assert await most_at_once(Turns(), [("m", [LONG, CASE]), ("m", [other, CASE]), ("n", [LONG, CASE])]) == 3
    assert await most_at_once(Turns(), [("m", [CASE]), ("m", [CASE])]) == 2
    assert await most_at_once(Turns(), [("m", [{"role": "system", "content": "Be brief."}, CASE])] * 2) == 2


@pytest.mark.anyio
async def test_a_call_that_gave_up_waiting_does_not_hold_up_the_others() -> None:
    turns = Turns()
    async with turns.turn("m", [LONG, CASE]):
        waiting = asyncio.create_task(most_at_once(turns, [("m", [LONG, CASE])]))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert await asyncio.wait_for(most_at_once(turns, [("m", [LONG, CASE])]), 5) == 1


@pytest.mark.anyio
async def test_patience_ends() -> None:
    turns = Turns(reading_speed=100_000)
    async with turns.turn("m", [LONG, CASE]) as first, asyncio.timeout(30), turns.turn("m", [LONG, CASE]) as second:
        assert first
        assert not second
