"""The gate before a deployment: who goes at once, who waits, who comes first, who is sent away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from workbench.errors import PermissionDenied, ProviderLimit, QueueRefused, WorkbenchError
from workbench.gateway.access.keys import Key
from workbench.gateway.access.use_cases import UseCase, UseCaseTable
from workbench.gateway.fairness.fairness import Fairness
from workbench.gateway.routing.deployment_health import DeploymentHealth, Hold
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Deployment
from workbench.settings import RoutingSettings
from workbench.settings.fairness import FairnessSettings

pytestmark = pytest.mark.anyio
TOKENS = 100
SIZE = 4 * (TOKENS - 64)
"""Bytes of a question that is taken for so many tokens."""


@dataclass
class Desk:
    """One deployment and those who ask it; the clock moves only when a test moves it."""

    health: DeploymentHealth
    fairness: Fairness
    use_cases: UseCaseTable
    now: float
    served: list[str] = field(default_factory=list)
    holds: dict[asyncio.Task[None], Hold] = field(default_factory=dict)

    def key(self, use_case: str | None = None, *, kind: str = "production", owner: str = "ana") -> Key:
        return Key("key_1", b"", kind, owner, "", 1.0, None, use_case)  # type: ignore[arg-type]

    def online(self, name: str, **fields: object) -> str:
        return self.add(name, service_level="online", **fields)

    def batch(self, name: str, **fields: object) -> str:
        return self.add(name, service_level="batch", **fields)

    def add(self, name: str, **fields: object) -> str:
        self.use_cases.put(UseCase(name, "ana", "internal", **fields))  # type: ignore[arg-type]
        return name

    def ask(self, who: str, key: Key | None = None, *, batch: bool | None = None) -> asyncio.Task[None]:
        """Begin a call; its task ends when it is let in, and leaves its hold for `end`."""
        known = self.use_cases.get(who)
        is_batch = batch if batch is not None else known is not None and known.service_level == "batch"

        async def go() -> None:
            hold = self.holds[task] = self.health.begin(SIZE, self.now)
            try:
                turn = self.fairness.enter(hold, key or self.key(who), batch=is_batch)
                if turn is not None:
                    await turn.wait(left=600.0)
            except BaseException:
                self.health.end(hold, 0, self.now)
                raise
            self.served.append(who)

        task = asyncio.create_task(go())
        return task

    async def ask_many(self, who: str, count: int, **how: object) -> list[asyncio.Task[None]]:
        tasks = [self.ask(who, **how) for _ in range(count)]  # type: ignore[arg-type]
        await turns()
        return tasks

    async def end(self, task: asyncio.Task[None], tokens: int = TOKENS) -> None:
        """Let a call that was let in end."""
        self.health.end(self.holds[task], tokens, self.now)
        await turns()

    async def pass_on(self, seconds: float) -> None:
        """Let time go by; whoever then has room goes in."""
        gates = list(self.fairness._gates.values())
        steps = max(1, round(seconds / 0.5))
        for _ in range(steps):
            self.now += seconds / steps
            for gate in gates:
                gate.pump()
            await turns()

    @property
    def waiting(self) -> int:
        return self.health.waiting


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def let_in(tasks: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    return [task for task in tasks if task.done() and not task.cancelled() and task.exception() is None]


def failure(task: asyncio.Task[None]) -> WorkbenchError:
    error = task.exception()
    assert isinstance(error, WorkbenchError)
    return error


@pytest.fixture
def desk() -> Callable[..., Desk]:
    def make(*, workers: int = 1, settings: dict[str, object] | None = None, **deployment: object) -> Desk:
        clock: list[Desk] = []
        place = Deployment("p", "openai_compatible", "m", **deployment)  # type: ignore[arg-type]
        health = Health(RoutingSettings(), [place], clock=lambda: clock[0].now if clock else 1000.0)
        use_cases = UseCaseTable()
        told = FairnessSettings(**(settings or {}))  # type: ignore[arg-type]
        fairness = Fairness(use_cases, lambda: told, workers=workers, clock=lambda: clock[0].now)
        clock.append(Desk(health.of(place), fairness, use_cases, 1000.0))
        return clock[0]

    return make


async def test_a_deployment_of_which_nothing_can_run_out_has_no_gate(desk: Callable[..., Desk]) -> None:
    at = desk()
    at.batch("nightly")
    assert len(let_in(await at.ask_many("nightly", 50))) == 50
    assert not at.fairness._gates


async def test_nobody_waits_before_a_deployment_that_is_not_short(desk: Callable[..., Desk]) -> None:
    at = desk(tokens_per_minute=100_000, concurrent=100)
    at.online("shop")
    at.batch("nightly")
    assert len(let_in(await at.ask_many("nightly", 50) + await at.ask_many("shop", 50))) == 100


async def test_a_deployment_that_takes_fewer_calls_at_once_after_a_reload_is_short_at_once(
    desk: Callable[..., Desk],
) -> None:
    at = desk(concurrent=100)
    at.online("shop")
    at.batch("nightly")
    assert len(let_in(await at.ask_many("nightly", 10))) == 10
    at.health.concurrent = 12
    assert len(let_in(await at.ask_many("nightly", 4))) == 0
    assert len(let_in(await at.ask_many("shop", 4))) == 2
    at.health.concurrent = 100
    assert len(let_in(await at.ask_many("nightly", 4))) == 4


async def test_online_calls_come_before_batch_work_that_came_first(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=4)
    at.online("shop")
    at.batch("nightly")
    running = let_in(await at.ask_many("nightly", 10))
    assert len(running) == 3  # one of four is kept free
    asked = await at.ask_many("shop", 3)
    assert len(let_in(asked)) == 1
    await at.end(running[0])
    await at.end(running[1])
    assert len(let_in(asked)) == 3
    assert at.served == ["nightly"] * 3 + ["shop"] * 3


async def test_an_online_call_that_had_to_wait_widens_what_is_kept_free_for_a_while(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=10)
    at.online("shop")
    at.batch("nightly")
    flood = await at.ask_many("nightly", 40)
    assert at.health.in_flight == 8
    online = await at.ask_many("shop", 4)
    assert len(let_in(online)) == 2
    for task in [*let_in(flood), *let_in(online)]:
        await at.end(task)
    for task in let_in(online):
        if not at.holds[task].over:
            await at.end(task)
    assert at.health.in_flight == 6
    await at.pass_on(61.0)
    assert at.health.in_flight == 8


async def test_tiers_come_in_their_order(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=2)
    for tier in (3, 1, 2):
        at.online(f"tier{tier}", tier=tier)
    running = await at.ask_many("tier2", 2)
    for tier in (3, 2, 1):
        await at.ask_many(f"tier{tier}", 1)
    for task in running:
        await at.end(task)
    assert at.served == ["tier2", "tier2", "tier1", "tier2"]


async def test_a_guaranteed_rate_comes_before_every_tier_and_ends_where_it_ends(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1)
    at.online("first", tier=1)
    at.online("promised", tier=3, guaranteed_tokens_per_minute=2 * TOKENS)
    running = (await at.ask_many("first", 1))[0]
    later = await at.ask_many("first", 5) + await at.ask_many("promised", 5)
    for _ in range(6):
        await at.end(running)
        running = next(task for task in let_in(later) if not at.holds[task].over)
    assert at.served == ["first", "promised", "promised", "first", "first", "first", "first"]


async def test_batch_work_and_exploration_share_what_is_left_by_weight(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1, settings={"exploration_weight": 1.0})
    at.batch("heavy", weight=2.0)
    at.batch("light", weight=1.0)
    explorer = at.key(kind="exploration")
    tasks = await at.ask_many("heavy", 40) + await at.ask_many("light", 40)
    tasks += await at.ask_many("explorer", 40, key=explorer)
    for _ in range(40):
        await at.end(next(task for task in let_in(tasks) if not at.holds[task].over))
    shares = Counter(at.served[:40])
    assert 18 <= shares["heavy"] <= 22
    assert 9 <= shares["light"] <= 11
    assert 9 <= shares["explorer"] <= 11


async def test_a_flood_of_batch_work_never_fills_what_online_work_needs(desk: Callable[..., Desk]) -> None:
    """Ten times the quota is offered; each minute stays within it, and no online call waits."""
    at = desk(tokens_per_minute=60 * TOKENS, settings={"longest_queue": 2000})
    at.online("shop")
    at.batch("nightly")
    flood = await at.ask_many("nightly", 600)
    used: list[float] = []
    for _ in range(180):
        if _ % 3 == 0:  # a third of the quota
            (asked,) = await at.ask_many("shop", 1)
            assert let_in([asked]), at.now
            await at.end(asked)
        for task in let_in(flood):
            if not at.holds[task].over:
                await at.end(task)
        await at.pass_on(1.0)
        used.append(at.health.used(at.now))
    assert max(used) <= 60 * TOKENS
    served = Counter(at.served)
    assert served["shop"] == 60
    assert served["nightly"] >= 0.8 * (0.9 - 0.33 * 1.1) * 180  # what is left is used


async def test_what_online_work_does_not_use_is_lent(desk: Callable[..., Desk]) -> None:
    at = desk(tokens_per_minute=60 * TOKENS, settings={"longest_queue": 2000})
    at.online("shop")
    at.batch("nightly")
    flood = await at.ask_many("nightly", 600)
    for _ in range(120):
        for task in let_in(flood):
            if not at.holds[task].over:
                await at.end(task)
        await at.pass_on(1.0)
    assert at.served.count("nightly") >= 0.8 * 120


async def test_where_nobody_is_online_all_of_the_quota_is_lent(desk: Callable[..., Desk]) -> None:
    at = desk(tokens_per_minute=100 * TOKENS)
    assert len(let_in(await at.ask_many("ana", 110, key=at.key(kind="exploration")))) >= 98


async def test_a_queue_is_bounded_and_says_that_it_was_the_queue(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1, settings={"longest_queue": 3})
    at.batch("nightly")
    tasks = await at.ask_many("nightly", 6)
    refused = [task for task in tasks if task.done() and task.exception()]
    assert (len(let_in(tasks)), at.waiting, len(refused)) == (1, 3, 2)
    error = failure(refused[0])
    assert isinstance(error, QueueRefused)
    assert error.error_code == "queue_full"
    assert error.retry_after is not None
    assert error.retry_after >= 1
    assert "queue" in str(error)
    at.batch("other")
    (asked,) = await at.ask_many("other", 1)
    assert not asked.done()  # each has a queue of its own: one flood fills nobody else's


async def test_who_waits_too_long_is_refused(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1, settings={"batch_wait": 0.01})
    at.batch("nightly")
    running, late = await at.ask_many("nightly", 2)
    with pytest.raises(QueueRefused) as told:
        await asyncio.wait_for(late, 10)
    assert told.value.error_code == "queue_timeout"
    assert at.waiting == 0
    await at.end(running)
    assert at.health.in_flight == 0
    assert at.health.pending == 0


async def test_a_client_that_leaves_leaves_the_queue(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1)
    at.batch("nightly")
    running, gone, stays = await at.ask_many("nightly", 3)
    gone.cancel()
    await at.end(running)  # in the same moment
    await at.pass_on(0.5)
    assert gone.cancelled()
    assert let_in([stays])
    await at.end(stays)
    assert (at.waiting, at.health.in_flight, at.health.pending) == (0, 0, 0)


async def test_a_client_that_leaves_as_its_turn_comes_gives_it_on(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1)
    at.batch("nightly")
    running, gone, stays = await at.ask_many("nightly", 3)
    at.health.end(at.holds[running], TOKENS, at.now)  # its turn has come, and it has not heard of it
    gone.cancel()
    await turns()
    await at.pass_on(0.5)
    assert gone.cancelled()
    assert let_in([stays])


async def test_a_caller_can_lower_its_call_and_not_raise_it(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=4)
    at.online("shop", tier=1, guaranteed_tokens_per_minute=10**6)
    at.batch("nightly")
    lowered = await at.ask_many("shop", 10, batch=True)
    assert len(let_in(lowered)) == 3
    assert len(let_in(await at.ask_many("shop", 1))) == 1


async def test_a_retired_use_case_frees_its_share(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=1)
    at.batch("old", weight=9.0)
    at.batch("new", weight=1.0)
    running = (await at.ask_many("old", 1))[0]
    old = await at.ask_many("old", 5)
    new = await at.ask_many("new", 5)
    at.batch("old", weight=9.0, retired=True)
    ended, _ = await asyncio.wait(old, timeout=10)
    assert {type(failure(task)) for task in ended} == {PermissionDenied}
    assert len(ended) == 5
    await at.end(running)
    assert len(let_in(new)) == 1
    assert at.waiting == 4


async def test_after_a_429_batch_work_waits_and_comes_back_slowly_while_online_work_goes(
    desk: Callable[..., Desk],
) -> None:
    at = desk()
    at.online("shop")
    at.batch("nightly")
    running = await at.ask_many("nightly", 8)
    at.health.failed(at.holds[running[0]], ProviderLimit("full", retry_after=5.0), at.now)
    later = await at.ask_many("nightly", 8)
    assert let_in(later) == []
    assert len(let_in(await at.ask_many("shop", 2))) == 2
    for task in running:
        await at.end(task)
    await at.pass_on(4.5)
    assert let_in(later) == []
    await at.pass_on(1.0)
    assert 1 <= len(let_in(later)) < 8


async def test_everybody_s_turn_comes_under_a_flood(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=2, settings={"longest_queue": 1000})
    at.batch("flood", weight=10.0)
    at.batch("small", weight=0.1)
    tasks = await at.ask_many("flood", 500)
    (small,) = await at.ask_many("small", 1)
    for _ in range(5):
        await at.end(next(task for task in let_in(tasks) if not at.holds[task].over))
    assert let_in([small])


async def test_two_workers_have_half_of_the_calls_at_once_each(desk: Callable[..., Desk]) -> None:
    at = desk(concurrent=8, workers=2)
    at.batch("nightly")
    assert len(let_in(await at.ask_many("nightly", 20))) == 4
