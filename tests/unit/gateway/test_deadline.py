"""One timer, many waits."""

import asyncio

import pytest

from workbench.errors import ProviderTimeout
from workbench.gateway.deadline import Deadline


async def test_what_takes_too_long_is_a_timeout_that_names_the_provider() -> None:
    deadline = Deadline(60)
    deadline.expect(0.01, "sent nothing", "acme")
    with pytest.raises(ProviderTimeout, match=r"'acme' sent nothing within 0\.01 s"), deadline:
        await asyncio.sleep(60)


async def test_a_moved_deadline_holds() -> None:
    deadline = Deadline(600)
    deadline.expect(0.01, "sent nothing", "acme")
    with deadline:
        deadline.expect(300, "sent nothing", "acme")
        await asyncio.sleep(0.05)
        deadline.expect(0.01, "sent nothing", "acme")
        deadline.rest()
        await asyncio.sleep(0.05)


async def test_a_deadline_can_be_moved_nearer() -> None:
    deadline = Deadline(60)

    async def wait() -> None:
        with deadline:
            deadline.expect(0.01, "sent nothing", "acme")
            await asyncio.sleep(60)

    deadline.expect(50, "sent nothing", "acme")
    with pytest.raises(ProviderTimeout):
        await wait()


async def test_the_whole_call_is_bounded_whatever_is_expected() -> None:
    deadline = Deadline(0.02)

    async def wait() -> None:
        with deadline:
            while True:
                deadline.expect(60, "sent nothing", "acme")
                await asyncio.sleep(0.005)

    with pytest.raises(ProviderTimeout, match=r"did not finish its answer within 0\.02 s"):
        await wait()


async def test_a_second_block_starts_afresh() -> None:
    deadline = Deadline(60)
    deadline.expect(0.01, "sent nothing", "acme")
    with pytest.raises(ProviderTimeout), deadline:
        await asyncio.sleep(60)
    deadline.expect(60, "sent nothing", "acme")
    with deadline:
        await asyncio.sleep(0.02)


async def test_another_cancellation_stays_one() -> None:
    async def wait() -> None:
        with Deadline(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_fires_after_the_block() -> None:
    deadline = Deadline(60)
    deadline.expect(0.01, "sent nothing", "acme")
    with deadline:
        pass
    await asyncio.sleep(0.05)


async def test_what_one_provider_was_late_with_does_not_count_against_the_next() -> None:
    deadline = Deadline(60)
    deadline.expect(0.01, "sent nothing", "acme")
    with pytest.raises(ProviderTimeout), deadline:
        await asyncio.sleep(60)
    deadline.begin("next")
    with deadline:
        await asyncio.sleep(0.05)
    assert not deadline.spent


async def test_the_next_provider_is_named_where_the_whole_call_ends_with_it() -> None:
    deadline = Deadline(0.02)
    deadline.expect(0.01, "sent nothing", "acme")
    deadline.begin("next")
    with pytest.raises(ProviderTimeout, match="'next' did not finish"), deadline:
        await asyncio.sleep(60)
    assert deadline.spent
