"""Rollouts as records in the chain: who is served what, what ends one, and what is refused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.changes import Changes
from workbench.gateway.published.record import Publication, Published
from workbench.gateway.published.rollout import RolloutPlan
from workbench.gateway.published.rollouts import Rollouts, RolloutWish
from workbench.gateway.published.serving import serve
from workbench.gateway.state import State
from workbench.wire.prompt_assignment import user_hash

ANA = Identity("ana")
USERS = [user_hash(f"user-{number}") for number in range(2000)]
AT = "support.summary@production"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
    opened.open()
    yield opened
    opened.close()


def opened(state: State) -> tuple[Published, Rollouts]:
    published = Published(state)
    published.open()
    return published, Rollouts(published)


async def publish(published: Published, version: int, *, alias: str = "production", text: str | None = None) -> Any:
    wish = Publication(version=version, template=text or f"v{version} {{{{x}}}}", reason="better")
    return await published.publish(f"support.summary@{alias}", wish, ANA)


async def started(state: State, **plan: Any) -> tuple[Published, Rollouts]:
    published, rollouts = opened(state)
    await publish(published, 1)
    await publish(published, 2, alias="canary")
    await rollouts.start(AT, RolloutWish(reason="try it", plan=RolloutPlan(**plan)), ANA)
    return published, rollouts


def versions(published: Published, rollouts: Rollouts) -> dict[str, int]:
    return {user: serve(published, rollouts, AT, user=user).body["version"] for user in USERS}


async def test_the_candidate_goes_to_its_share_and_everybody_keeps_theirs(state: State) -> None:
    published, rollouts = await started(state)
    first = versions(published, rollouts)
    assert list(first.values()).count(2) / len(USERS) == pytest.approx(0.1, abs=0.02)
    await rollouts.steer(AT, "advance", ANA, reason="looks good")
    second = versions(published, rollouts)
    assert list(second.values()).count(2) / len(USERS) == pytest.approx(0.25, abs=0.03)
    assert all(second[user] == 2 for user in USERS if first[user] == 2)
    again = opened(state)
    assert versions(*again) == second, "a restart changes nobody's version"


async def test_what_is_served_tells_the_ledger_and_carries_the_candidate_for_loaders(state: State) -> None:
    published, rollouts = await started(state)
    rollout = rollouts.served(AT)
    assert rollout is not None
    with_user = serve(published, rollouts, AT, user=USERS[0]).body
    assert with_user["tags"] == {
        "prompt": "support.summary", "prompt_version": str(with_user["version"]), "prompt_alias": "production",
        "rollout": rollout.id, "arm": with_user["rollout"]["arm"], "rollout_user": with_user["tags"]["rollout_user"],
    }  # fmt: skip
    assert {serve(published, rollouts, AT, user=u).body["rollout"]["arm"] for u in USERS[:200]} == {
        "production",
        "canary",
    }
    nobody = serve(published, rollouts, AT, user=None).body
    tags = {"prompt": "support.summary", "prompt_version": "1", "prompt_alias": "production"}
    assert (nobody["version"], nobody["tags"]) == (1, tags)
    assert nobody["rollout"]["candidate"]["version"] == 2
    assert nobody["rollout"]["candidate"]["alias"] == "production"


async def test_an_etag_changes_with_prompt_step_and_user_and_with_nothing_else(state: State) -> None:
    published, rollouts = opened(state)
    await publish(published, 1)
    tags = [serve(published, rollouts, AT, user=None).etag]
    await publish(published, 2, alias="canary")
    assert serve(published, rollouts, AT, user=None).etag == tags[0]
    await rollouts.start(AT, RolloutWish(reason="try"), ANA)
    tags += [serve(published, rollouts, AT, user=user).etag for user in (None, USERS[0], USERS[1])]
    await rollouts.steer(AT, "advance", ANA, reason="on")
    tags += [serve(published, rollouts, AT, user=user).etag for user in (None, USERS[0], USERS[1])]
    assert len(set(tags)) == len(tags)


async def test_the_last_advance_publishes_the_candidate_with_what_was_decided_on(state: State) -> None:
    published, rollouts = await started(state, steps=(50, 100))
    done = await rollouts.steer(AT, "advance", ANA, reason="enough", figures={"n": 3})
    assert (done.state, done.is_served) == ("complete", False)
    live = published.get(AT)
    assert (live["version"], live["alias"], live["published_by"]) == (2, "production", "ana")
    assert (live["evidence"]["rollout"], live["evidence"]["figures"]) == (done.id, {"n": 3})
    assert set(versions(published, rollouts).values()) == {2}
    assert [e["event"] for e in done.as_dict()["events"]] == ["start", "complete"]
    assert opened(state)[0].fault is None


async def test_a_publication_under_the_alias_ends_a_rollout_at_once(state: State) -> None:
    published, rollouts = await started(state)
    await publish(published, 3)
    assert set(versions(published, rollouts).values()) == {3}
    ended = rollouts.latest(AT)
    assert ended is not None
    assert (ended.as_dict()["state"], ended.as_dict()["weight"]) == ("superseded", 0)
    with pytest.raises(Conflict, match="not being rolled out"):
        await rollouts.steer(AT, "advance", ANA, reason="on")


async def test_a_candidate_that_is_published_anew_does_not_slip_into_a_rollout(state: State) -> None:
    published, rollouts = await started(state)
    await publish(published, 9, alias="canary")
    assert set(versions(published, rollouts).values()) == {1, 2}


@pytest.mark.parametrize(("event", "share"), [("abort", 0), ("rollback", 0), ("pause", 0.1)])
async def test_only_a_paused_rollout_still_serves_its_candidate(state: State, event: Any, share: float) -> None:
    published, rollouts = await started(state)
    await rollouts.steer(AT, event, ANA, reason="stop")
    assert list(versions(published, rollouts).values()).count(2) / len(USERS) == pytest.approx(share, abs=0.02)
    if event == "pause":
        with pytest.raises(Conflict, match="paused already"):
            await rollouts.steer(AT, "pause", ANA, reason="again")
        assert (await rollouts.steer(AT, "advance", ANA, reason="by hand")).state == "paused"
        assert (await rollouts.steer(AT, "resume", ANA, reason="on")).state == "running"
    else:
        assert (await rollouts.start(AT, RolloutWish(reason="again"), ANA)).state == "running"


async def test_two_processes_take_no_step_twice(state: State) -> None:
    _, first = await started(state)
    published, second = opened(state)
    seen = first.latest(AT)
    assert seen is not None
    await first.steer(AT, "advance", ANA, reason="on", seen=seen.events[-1]["seq"])
    with pytest.raises(Conflict, match="went on meanwhile"):
        await second.steer(AT, "advance", ANA, reason="on", seen=seen.events[-1]["seq"])
    assert [e["event"] for e in second.latest(AT).as_dict()["events"]] == ["start", "advance"]  # type: ignore[union-attr]
    assert published.chain.head == first._published.chain.head


async def test_what_can_not_be_rolled_out_is_refused(state: State) -> None:
    published, rollouts = opened(state)
    wish = RolloutWish(reason="try")
    with pytest.raises(NotFound):
        await rollouts.start(AT, wish, ANA)
    await publish(published, 1)
    with pytest.raises(NotFound, match="canary"):
        await rollouts.start(AT, wish, ANA)
    await publish(published, 1, alias="canary")
    with pytest.raises(Conflict, match="the same"):
        await rollouts.start(AT, wish, ANA)
    await publish(published, 2, alias="canary")
    with pytest.raises(InvalidInput, match="own candidate"):
        await rollouts.start(AT, RolloutWish(reason="x", candidate="production"), ANA)
    with pytest.raises(InvalidInput, match="reason"):
        await rollouts.start(AT, RolloutWish(reason=" "), ANA)
    await rollouts.start(AT, wish, ANA)
    with pytest.raises(Conflict, match="already"):
        await rollouts.start(AT, wish, ANA)


@pytest.mark.parametrize("plan", [
    {"steps": ()}, {"steps": (100,)}, {"steps": (10, 50)}, {"steps": (50, 10, 100)}, {"steps": (0, 100)},
    {"steps": (10, 10, 100)}, {"steps": (0.001, 100)}, {"steps": (99.999, 100)},
    {"bounds": (1, 1)}, {"confidence": 1.0}, {"min_n": 0}, {"max_latency_ratio": 0.5}, {"margin": 1.0},
])  # fmt: skip
def test_a_plan_that_can_not_be_followed_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RolloutPlan(**plan).check()


async def test_a_candidate_that_too_few_have_approved_is_not_rolled_out(state: State) -> None:
    published, _ = opened(state)
    await publish(published, 1)
    record = await publish(published, 2, alias="canary")
    rollouts = Rollouts(published, approvals=lambda _name, alias: 1 if alias == "production" else 0)
    with pytest.raises(PermissionDenied, match="has 0 of the 1 approvals"):
        await rollouts.start(AT, RolloutWish(reason="try"), ANA)
    approved = {key: record[key] for key in record if key not in ("seq", "prev_hash", "record_hash")}
    await published.chain.append(lambda: {**approved, "approved_by": ["bob"]})
    await rollouts.start(AT, RolloutWish(reason="try", plan=RolloutPlan(steps=(10, 100))), ANA)
    await rollouts.steer(AT, "advance", Identity("rollout rule"), reason="surely better")
    live = published.get(AT)
    assert (live["requested_by"], live["approved_by"], live["published_by"]) == ("ana", ["bob"], "rollout rule")


async def test_a_completion_that_was_cut_short_is_published_once(state: State) -> None:
    published, rollouts = await started(state, steps=(10, 100))
    body = {**rollouts.latest(AT).events[-1]["body"], "event": "complete", "state": "complete", "weight": 100}  # type: ignore[union-attr]
    await published.append("rollout", "support.summary", body, ANA, alias="production")
    with pytest.raises(Conflict, match="is complete"):
        await rollouts.start(AT, RolloutWish(reason="another"), ANA)
    (found,) = opened(state)[1].all_served()
    assert set(versions(published, rollouts).values()) == {2}, "everybody has it until it is published"
    await rollouts.publish(found, ANA)
    assert published.get(AT)["version"] == 2
    with pytest.raises(Conflict, match="has ended"):
        await rollouts.publish(found, ANA)


async def test_a_plan_of_a_newer_gateway_is_read_as_far_as_it_is_known(state: State) -> None:
    published, rollouts = await started(state, steps=(10, 100))
    body = rollouts.latest(AT).events[-1]["body"]  # type: ignore[union-attr]
    newer = {**body, "plan": {**body["plan"], "colour": "green"}}
    await published.append("rollout", "support.summary", newer, ANA, alias="production")
    (found,) = opened(state)[1].all_served()
    assert found.plan.steps == (10, 100)


async def test_who_waits_for_a_change_is_told_at_once_and_of_what_is_served_only(state: State) -> None:
    published, _ = opened(state)
    changes = Changes(published)
    await publish(published, 1)
    assert (await changes.after(0, wait=0)).references == (AT,)
    waiting = asyncio.create_task(changes.after(1, wait=30))
    await asyncio.sleep(0)
    await published.append("approval", "support.summary", {}, ANA)
    assert not waiting.done()
    await publish(published, 2, alias="canary")
    told = await asyncio.wait_for(waiting, 10)
    assert (told.seq, told.references) == (3, ("support.summary@canary",))
    nobody = asyncio.create_task(changes.after(3, wait=30))
    await asyncio.sleep(0)
    changes.close()
    assert (await asyncio.wait_for(nobody, 10)).references == ()
