"""The calls and outcomes of a rollout as they are read, copied and decided on, by one gateway and by two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from workbench.errors import NotFound, Unavailable
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.ledger.tags import with_tag
from workbench.gateway.notices import Notice, Notices
from workbench.gateway.published import rollout_rule, steering
from workbench.gateway.published.feedback import Feedback, Word
from workbench.gateway.published.outcomes import OutcomeBook, StepOutcomes
from workbench.gateway.published.record import Publication, Published
from workbench.gateway.published.rollout import Rollout, RolloutPlan
from workbench.gateway.published.rollout_calls import RolloutCalls
from workbench.gateway.published.rollouts import Rollouts, RolloutWish
from workbench.gateway.published.steering import Steering
from workbench.gateway.published.watching import watched
from workbench.gateway.state import State, rollout_calls_table
from workbench.gateway.times import utc_now

ANA = Identity("ana")
AT = "summary@production"
numbers = count()


class Gateway(SimpleNamespace):
    """As much of a gateway as rollouts need, on a ledger of its own."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.spool = Spool(folder, sync="normal")
        self.spool.open()
        self.reports = Reports(self.spool.path)
        self.published = Published(state)
        self.published.open()
        self.rollouts = Rollouts(self.published)
        self.outcomes = OutcomeBook(state)
        self.rollout_calls = RolloutCalls(state)
        self.feedback = Feedback(state, self.reports, self.rollout_calls)
        self.notices = Notices()
        self.told: list[Notice] = []
        self.notices.listen(self.told.append)
        self.steering = Steering(self)  # type: ignore[arg-type]

    async def call(self, arm: str = "canary", *, user: int = 0, alias: str = "production", **fields: Any) -> str:
        """Write the row of a call by a side of the rollout."""
        rollout = self.rollouts.latest(AT)
        told = {"prompt": "summary", "prompt_version": "2" if arm == "canary" else "1", "prompt_alias": alias}
        if rollout is not None:
            told |= {"rollout": rollout.id, "arm": arm, "rollout_user": f"{user:016x}"}
        tags = None
        for name, value in told.items():
            tags = with_tag(tags, name, value)
        known = {"request_id": f"req_{next(numbers)}", "time": utc_now(), "stage": "staging", "path": "/v1",
                 "owner": "ana", "status": 200, "outcome": "ok", "latency_ms": 100.0, "cost_usd": 1e-4}  # fmt: skip
        row = LedgerRow(**{**known, "tags": tags, **fields})
        await self.spool.write(row)
        return row.request_id

    async def start(self, **plan: Any) -> Rollout:
        """Begin a rollout of version 2 beside version 1."""
        for version, alias in ((1, "production"), (2, "canary")):
            wish = Publication(version=version, template=f"v{version} {{{{x}}}}", reason="better")
            await self.published.publish(f"summary@{alias}", wish, ANA)
        known = {"steps": (50, 100), "rule": "better", "min_n": 5, "confidence": 0.8}
        wish_ = RolloutWish(reason="try", plan=RolloutPlan(**{**known, **plan}))
        return await self.rollouts.start(AT, wish_, ANA)

    def standing(self) -> str:
        found = self.rollouts.latest(AT)
        assert found is not None
        return found.state


@pytest.fixture
async def open_gateway(state: State, tmp_path: Path) -> AsyncIterator[Callable[[], Gateway]]:
    opened: list[Gateway] = []

    def make() -> Gateway:
        opened.append(Gateway(state, tmp_path / f"ledger-{len(opened)}"))
        return opened[-1]

    yield make
    for gateway in opened:
        await gateway.steering.close()
        await asyncio.to_thread(gateway.spool.close)


@pytest.fixture
async def gateway(open_gateway: Callable[[], Gateway]) -> Gateway:
    return open_gateway()


async def test_refusals_by_a_limit_take_no_candidate_back_and_a_model_that_is_gone_does(gateway: Gateway) -> None:
    await gateway.start()
    for user in range(30):
        await gateway.call("production", user=user)
        await gateway.call(outcome="refused", status=429, user=100)
        await gateway.call(outcome="unknown", status=None, user=user)
    assert await gateway.steering.look()
    assert gateway.standing() == "running"
    for user in range(30):
        await gateway.call("production", user=user)
        await gateway.call(outcome="refused", status=404, user=user)
    await gateway.steering.look()
    assert gateway.standing() == "rolled back"
    found = gateway.rollouts.latest(AT)
    assert found is not None
    assert found.events[-1]["body"]["figures"]["errors"]["candidate_n"] == 30


async def test_calls_of_all_gateways_are_judged_and_rated_at_any_of_them(
    open_gateway: Callable[[], Gateway], new_key: Callable[..., tuple[Key, str]]
) -> None:
    first, second = open_gateway(), open_gateway()
    await first.start(rule="guardrails", min_n=1000)
    await second.published.catch_up()
    await first.steering.look()
    for user in range(20):
        await first.call("production", user=user)
        bad = await second.call(outcome="failed", status=502, user=100 + user)
    good = await second.call(user=300)
    with pytest.raises(NotFound) as unknown:
        first.feedback.give(Word(good, 1), new_key()[0])
    assert ("to the gateway that gave it" in str(unknown.value)) is not first.state.is_file
    await second.steering.look()
    assert first.feedback.give(Word(good, 1), new_key()[0])["value"] == 1
    assert first.feedback.give(Word(bad, 0), new_key()[0])["request_id"] == bad
    with pytest.raises(NotFound):
        first.feedback.give(Word(good, 1), new_key(owner="bob")[0])
    rollout = first.rollouts.latest(AT)
    assert rollout is not None
    outcomes = StepOutcomes(rollout)
    first.outcomes.catch_up(outcomes)
    assert outcomes.told().values == {"production": [], "canary": [1.0, 0.0]}
    await first.steering.look()
    assert first.standing() == "rolled back"


async def test_what_is_copied_is_copied_once_and_goes_with_the_rollout(gateway: Gateway) -> None:
    rollout = await gateway.start()
    for owner in ("ana", "ana", "bob"):
        await gateway.call(owner=owner)
    await gateway.call(tags='{"rollout": "ro_other", "arm": "canary", "prompt_version": "2", "rollout_user": "1"}')
    await gateway.call(tags=f'{{"rollout": "{rollout.id}", "arm": "x", "prompt_version": "2", "rollout_user": "1"}}')
    await gateway.steering.look()
    again = Steering(gateway)  # type: ignore[arg-type]
    await again.look()
    assert len(gateway.rollout_calls.of_step(rollout, after=0, most=10)) == 3
    gateway.rollout_calls.prune(before="9", but=[rollout])
    assert len(gateway.rollout_calls.of_step(rollout, after=0, most=10)) == 3
    gateway.rollout_calls.prune(before="9", but=[])
    with gateway.state.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(rollout_calls_table)).scalar_one() == 0


async def test_what_was_copied_late_is_read_to_its_end_before_it_is_decided_on(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "_MOST_CALLS", 8)
    await gateway.start(rule="guardrails", min_n=10)
    for user in range(10):
        await gateway.call("production", user=user)
        await gateway.call(user=user)
    for _ in range(2):
        await gateway.steering.look()
        assert gateway.outcomes.last_look(gateway.rollouts.latest(AT).id) is None  # type: ignore[union-attr]
    await gateway.steering.look()
    assert gateway.standing() == "complete"


async def test_a_verdict_that_can_not_be_written_is_written_at_the_next_look(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.start(rule="guardrails", min_n=2)
    for user in range(2):
        await gateway.call("production", user=user)
        await gateway.call(user=user)

    async def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(gateway.rollouts, "steer", fail)
        with pytest.raises(Unavailable):
            await gateway.steering.look()
    await gateway.steering.look()
    assert gateway.standing() == "complete"


async def test_the_same_figures_are_decided_on_once_and_each_look_is_counted(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = count()
    real = rollout_rule.decide
    monkeypatch.setattr(rollout_rule, "decide", lambda *a, **k: next(decided) < 0 or real(*a, **k))
    await gateway.start()
    await gateway.call()
    for _ in range(3):
        await gateway.steering.look()
        assert gateway.steering._spent > 0
    assert next(decided) == 1


async def test_an_outcome_that_was_changed_or_taken_back_is_seen(
    gateway: Gateway, new_key: Callable[..., tuple[Key, str]]
) -> None:
    rollout = await gateway.start()
    calls = [await gateway.call(user=user) for user in range(3)]
    step = StepOutcomes(rollout)

    def told() -> list[float]:
        gateway.outcomes.catch_up(step)
        fresh = StepOutcomes(rollout)
        gateway.outcomes.catch_up(fresh)
        assert (fresh.rows, fresh.last) == (step.rows, step.last)
        return sorted(step.told().values["canary"])

    key = new_key()[0]
    for request_id in calls:
        gateway.feedback.give(Word(request_id, 1), key)
    assert told() == [1, 1, 1]
    gateway.feedback.give(Word(calls[0], 0), key)
    assert told() == [0, 1, 1]
    gateway.feedback.give(Word(calls[1], "fine"), key)
    assert told() == [0, 1]


async def test_a_step_that_only_a_person_can_decide_is_told_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, new_key: Callable[..., tuple[Key, str]]
) -> None:
    monkeypatch.setattr(rollout_rule, "_MOST_USERS", 5)
    rollout = await gateway.start()
    for user in range(10):
        arm = "canary" if user % 2 else "production"
        gateway.feedback.give(Word(await gateway.call(arm, user=user), 1), new_key()[0])
    for _ in range(2):
        await gateway.steering.look()
        await gateway.call(user=99)
    (notice,) = gateway.told
    assert (notice.kind, notice.details["rollout"]) == ("rollout", rollout.id)
    assert "needs a person" in notice.text


async def test_steering_outlives_a_record_that_can_not_be_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "LOOK_SECONDS", 0.0)
    again = asyncio.Event()
    looks = count()

    def all_served() -> list[Rollout]:
        if next(looks) == 0:
            raise ValueError("a record of a newer gateway")
        again.set()
        return []

    monkeypatch.setattr(gateway.rollouts, "all_served", all_served)
    gateway.steering.open()
    await asyncio.wait_for(again.wait(), 10)


async def test_what_is_live_is_told_by_its_alias_and_the_newest_of_what_was_before(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.gateway.published.watching._MOST", 3)

    async def publish(version: int) -> None:
        wish = Publication(version=version, template=f"v{version} {{{{x}}}}", reason="better")
        await gateway.published.publish(AT, wish, ANA)

    await publish(1)
    for latency in range(5):
        await gateway.call("production", latency_ms=float(latency))
    await publish(2)
    await gateway.call("canary", alias="staging")
    await gateway.call("canary", outcome="refused", status=404)
    await gateway.call("canary", outcome="refused", status=429)
    told = watched(gateway, AT)  # type: ignore[arg-type]
    assert (told["live"]["calls"], told["live"]["failed"], told["live"]["latency_ms"]) == (1, [True], [None])
    assert (told["before"]["calls"], told["before"]["latency_ms"]) == (5, [2.0, 3.0, 4.0])


async def test_calls_of_other_gateways_within_a_rollout_are_watched(open_gateway: Callable[[], Gateway]) -> None:
    first, second = open_gateway(), open_gateway()
    await first.start()
    await second.published.catch_up()
    await first.call("production")
    await second.call("production", outcome="failed", status=502)
    for each in (first, second):
        await each.steering.look()
    for each in (first, second):
        live = watched(each, AT)["live"]  # type: ignore[arg-type]
        assert (live["calls"], sorted(live["failed"])) == (2, [False, True])  # of one millisecond, in either order
