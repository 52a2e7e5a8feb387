"""Requests for promotion: who may do what, in which order, and what can't be changed after looking."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import Conflict, InvalidInput, NotFound, PermissionDenied, PromotionRefused
from workbench.gateway.access.identity import ROLES, Identity
from workbench.gateway.parts import Parts
from workbench.gateway.published.past import RollbackWish, as_of, before, roll_back
from workbench.gateway.published.record import Publication
from workbench.gateway.published.request import Request
from workbench.gateway.published.requests import ApprovalWish, EvidenceWish, GateWish, RequestWish, WordsWish
from workbench.gateway.state import State
from workbench.settings import Settings, StateSettings
from workbench.settings.published import PublishedSettings
from workbench.wire.gates_hash import gates_hash

ANA, BEN = Identity("ana", source="oidc"), Identity("ben", source="oidc")
CLEO, OWNER = Identity("cleo", source="oidc"), Identity("root", roles=ROLES, source="owner")
GATES: dict[str, Any] = {"rules": [{"metric": "exact", "rule": "superior"}], "preregistered": False, "prompt": None}
FOUR_EYES = PublishedSettings(four_eyes=["support.*"])
LONG_AGO, MUCH_LATER = "2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"


class Desk:
    """The rooms of one gateway that a request needs."""

    def __init__(self, home: Path, state: State, published: PublishedSettings = FOUR_EYES) -> None:
        database = StateSettings(database=state.url.render_as_string(hide_password=False))
        self.parts = Parts(Settings(home=home, state=database, published=published))
        self.requests, self.published = self.parts.requests, self.parts.published
        self.published.open()

    async def ask(self, name: str = "support.summary", by: Identity = ANA, **fields: Any) -> Request:
        whole = {"version": 2, "template": "two {{x}}", "reason": "better", "gates": GATES, **fields}
        return await self.requests.ask(f"{name}@production", RequestWish(**whole), by)

    async def bring(self, request: Request, by: Identity = ANA, **fields: Any) -> Request:
        live = self.published.live(request.name, request.alias)
        told = {"passed": True, "decision": "better", "gates_hash": request.body["gates_hash"], "run_id": "r1",
                "hash": request.body["hash"], "base": live["seq"] if live else None,
                "run_started_at": MUCH_LATER, **fields}  # fmt: skip
        return await self.requests.bring(request.id, EvidenceWish(**told), by)

    async def approve(self, request: Request, by: Identity = BEN, **fields: Any) -> Request:
        evidence = self.requests.get(request.id).evidence
        assert evidence is not None
        return await self.requests.approve(request.id, ApprovalWish(seen=evidence["seq"], **fields), by)

    async def publish(self, version: int, template: str = "", name: str = "support.summary") -> dict[str, Any]:
        wish = Publication(version=version, template=template or f"v{version}", reason="better")
        return await self.published.publish(f"{name}@production", wish, ANA)

    def told(self, request: Request) -> dict[str, Any]:
        return self.requests.told(self.requests.get(request.id))


@pytest.fixture
def desks(tmp_path: Path, state: State) -> Iterator[Callable[..., Desk]]:
    """Gateways on one database."""
    made: list[Desk] = []

    def make(**options: Any) -> Desk:
        made.append(Desk(tmp_path, state, **options))
        return made[-1]

    yield make
    for desk in made:
        desk.parts.state.close()


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    return desks()


async def test_the_whole_way_is_recorded_with_who_asked_and_who_approved(desk: Desk) -> None:
    request = await desk.ask(parameters={"temperature": 0})
    assert desk.told(request)["state"] == "asked"
    await desk.bring(request, evidence={"dataset_hash": "sha256:data", "model": "chatty"})
    await desk.requests.comment(request.id, WordsWish(text="what about long mails?"), BEN)
    assert desk.told(await desk.approve(request, recomputed={"passed": True}))["state"] == "approved"
    record = await desk.requests.publish(request.id, ANA)
    assert desk.published.get("support.summary@production") == record
    assert (record["requested_by"], record["approved_by"], record["published_by"]) == ("ana", ["ben"], "ana")
    assert (record["hash"], record["parameters"]) == (request.body["hash"], {"temperature": 0})
    assert record["self_approved_as_local_owner"] is False
    kept = record["evidence"]
    assert (kept["dataset_hash"], kept["model"], kept["run_id"]) == ("sha256:data", "chatty", "r1")
    assert (kept["gates"], kept["gates_hash"], kept["decision"]) == (GATES, gates_hash(GATES), "better")
    told = desk.told(request)
    assert told["state"] == "published"
    assert [event["action"] for event in told["events"]] == ["request", "evidence", "comment", "approve", "publish"]
    with pytest.raises(Conflict, match="is published: nothing can be done"):
        await desk.requests.publish(request.id, ANA)


async def test_a_request_survives_a_restart_and_every_gateway_decides_on_all_that_was_said(
    desks: Callable[..., Desk],
) -> None:
    here = desks()
    request = await here.ask()
    await here.bring(request)
    there = desks()
    assert there.told(request) == here.told(request)
    await there.approve(request)
    assert here.told(request)["state"] == "passed"  # it has not looked yet
    assert (await here.requests.publish(request.id, ANA))["approved_by"] == ["ben"]
    with pytest.raises(Conflict, match="is published"):
        await there.requests.reject(request.id, WordsWish(text="no"), BEN)


async def test_nobody_approves_their_own_request_nor_what_they_brought_evidence_for(desk: Desk) -> None:
    request = await desk.ask()
    await desk.bring(request, by=CLEO)
    for hand in (ANA, CLEO):
        with pytest.raises(PermissionDenied, match="nobody approves their own"):
            await desk.approve(request, by=hand)
    with pytest.raises(PermissionDenied, match="0 of 1 approvals"):
        await desk.requests.publish(request.id, ANA)
    await desk.approve(request)
    with pytest.raises(Conflict, match="has approved"):
        await desk.approve(request)


async def test_the_local_owner_approves_their_own_and_the_record_says_so(desk: Desk) -> None:
    request = await desk.ask(by=OWNER)
    await desk.bring(request, by=OWNER)
    await desk.approve(request, by=OWNER)
    assert (await desk.requests.publish(request.id, OWNER))["self_approved_as_local_owner"] is True


async def test_as_many_approve_as_are_asked_for_and_none_where_none_is(desks: Callable[..., Desk]) -> None:
    desk = desks(published=PublishedSettings(four_eyes=["*@production"], approvals=2))
    request = await desk.ask()
    await desk.bring(request)
    assert desk.told(await desk.approve(request))["state"] == "passed"
    with pytest.raises(PermissionDenied, match="1 of 2"):
        await desk.requests.publish(request.id, ANA)
    assert desk.told(await desk.approve(request, by=CLEO))["state"] == "approved"
    free = desks(published=PublishedSettings(four_eyes=["other.*"]))
    other = await free.ask("support.free")
    await free.bring(other)
    assert (await free.requests.publish(other.id, ANA))["approved_by"] == []


async def test_what_did_not_pass_its_gate_goes_nowhere(desk: Desk) -> None:
    request = await desk.ask()
    for step in (lambda: desk.requests.publish(request.id, ANA),
                 lambda: desk.requests.approve(request.id, ApprovalWish(seen=1), BEN)):  # fmt: skip
        with pytest.raises(Conflict, match="has no evidence yet"):
            await step()
    await desk.bring(request, passed=False, decision="worse: -0.3")
    assert desk.told(request)["state"] == "refused"
    for refused in (desk.approve(request), desk.requests.publish(request.id, ANA)):
        with pytest.raises(PromotionRefused, match=r"worse: -0\.3"):
            await refused
    await desk.bring(request)
    with pytest.raises(PromotionRefused, match="computed again"):
        await desk.approve(request, recomputed={"passed": False})


async def test_an_approval_counts_for_the_evidence_that_was_looked_at(desk: Desk) -> None:
    request = await desk.ask()
    seen = (await desk.bring(request)).evidence
    assert seen is not None
    await desk.bring(request, decision="better, once more")
    with pytest.raises(Conflict, match="other evidence than you looked at"):
        await desk.requests.approve(request.id, ApprovalWish(seen=seen["seq"]), BEN)
    await desk.approve(request)
    await desk.bring(request, decision="better, a third time")
    assert desk.told(request)["approved_by"] == []


@pytest.mark.parametrize("field", ["gates_hash", "hash"])
async def test_neither_the_gate_nor_the_version_is_changed_after_asking(desk: Desk, field: str) -> None:
    request = await desk.ask()
    with pytest.raises(Conflict, match="than was asked for"):
        await desk.bring(request, **{field: "0" * 64})
    assert desk.told(request)["state"] == "asked"


async def test_rules_that_were_changed_after_looking_are_visible(desk: Desk) -> None:
    strict = await desk.ask()
    await desk.bring(strict, passed=False)
    easy = {**GATES, "rules": [{"metric": "exact", "rule": "not_worse", "margin": 0.5}]}
    lenient = await desk.ask(gates=easy)
    await desk.bring(lenient)
    others = desk.told(lenient)["other_gates"]
    assert [(each["request"], each["gates_hash"], each["passed"]) for each in others] == [
        (strict.id, gates_hash(GATES), False)
    ]
    await desk.approve(lenient)
    assert (await desk.requests.publish(lenient.id, ANA))["evidence"]["other_gates"] == others


async def test_a_gate_that_must_be_registered_before_the_run_counts_only_then(desk: Desk) -> None:
    gates = {**GATES, "preregistered": True}
    request = await desk.ask(gates=gates)
    with pytest.raises(PromotionRefused, match="after the run began"):
        await desk.bring(request, run_started_at=LONG_AGO)
    told = (await desk.bring(request)).evidence
    assert told is not None
    assert told["body"]["preregistered"] is True

    early = await desk.requests.register(GateWish(name="support.early", gates=gates), ANA)
    later = await desk.ask("support.early", gates=gates)
    evidence = (await desk.bring(later)).evidence
    assert evidence is not None
    assert evidence["body"]["registered_at"] == early["at"] <= later.first["at"]


async def test_a_request_is_stale_when_something_else_became_live(desk: Desk) -> None:
    request = await desk.ask()
    await desk.bring(request)
    await desk.approve(request)
    await desk.publish(9)
    assert desk.told(request)["stale"] is True
    with pytest.raises(Conflict, match="is stale: v9 is live") as caught:
        await desk.requests.publish(request.id, ANA)
    assert caught.value.error_code == "stale_request"
    with pytest.raises(Conflict, match="meanwhile"):
        await desk.bring(request, base=None)
    await desk.bring(request)  # held against what is live now
    assert (desk.told(request)["stale"], desk.told(request)["state"]) == (False, "passed")
    await desk.approve(request)
    assert (await desk.requests.publish(request.id, ANA))["evidence"]["live_version"] == 9


async def test_what_is_live_or_asked_for_already_is_not_asked_for(desk: Desk) -> None:
    await desk.publish(2, "two {{x}}")
    with pytest.raises(Conflict, match="is live as 'production' already"):
        await desk.ask()
    other = await desk.ask(version=3, template="three")
    with pytest.raises(Conflict, match=f"Request {other.id} asks for the same"):
        await desk.ask(version=3, template="three")
    await desk.requests.withdraw(other.id, WordsWish(), ANA)
    await desk.ask(version=3, template="three")


async def test_who_asked_may_withdraw_and_a_rejection_needs_a_reason(desk: Desk) -> None:
    request = await desk.ask()
    with pytest.raises(PermissionDenied, match="ana did"):
        await desk.requests.withdraw(request.id, WordsWish(), BEN)
    for verb in (desk.requests.reject, desk.requests.comment):
        with pytest.raises(InvalidInput):
            await verb(request.id, WordsWish(text=" "), BEN)
    await desk.requests.reject(request.id, WordsWish(text="too long"), BEN)
    assert desk.told(request)["state"] == "rejected"
    assert [each.id for each in desk.requests.list(state="rejected", name="support.summary")] == [request.id]
    assert desk.requests.list(state="asked") == []
    with pytest.raises(InvalidInput, match="ever 'open'"):
        desk.requests.list(state="open")
    with pytest.raises(NotFound):
        desk.requests.get(99)


async def test_a_direct_publication_expects_what_was_live_when_it_was_decided(desk: Desk) -> None:
    first = await desk.publish(1)
    expecting = Publication(version=2, template="2", reason="r", expects=first["seq"])
    await desk.published.publish("support.summary@production", expecting, ANA)
    with pytest.raises(Conflict, match="meanwhile: now it is v2"):
        await desk.published.publish("support.summary@production", expecting, ANA)


async def test_the_way_back_leads_to_what_was_not_rolled_back_itself(desk: Desk) -> None:
    for version in (1, 2, 3):
        await desk.publish(version)
    reference = "support.summary@production"

    async def back(**wish: Any) -> int:
        return int((await roll_back(desk.published, reference, RollbackWish(reason="bad", **wish), ANA))["version"])

    assert [await back(), await back()] == [2, 1]
    assert before(desk.published.history(reference)) is None
    with pytest.raises(NotFound, match="There were: v1, v2, v3"):
        await back()
    assert await back(to=3) == 3
    assert await back() == 2  # v3 was live again, over v1, over ... v2 before it
    with pytest.raises(Conflict, match="v2 is live"):
        await back(to=2)
    with pytest.raises(Conflict, match="not what you saw"):
        await back(seq=1)


async def test_only_the_gateway_says_that_something_was_live_before(desk: Desk) -> None:
    request = await desk.ask()
    for forged in ({"rollback_to": 2}, {"rollout": "ro_1"}):
        wish = Publication(version=1, template="one", reason="better", evidence=forged)
        for refused in (desk.published.publish("support.summary@production", wish, ANA),
                        desk.bring(request, evidence=forged)):  # fmt: skip
            with pytest.raises(InvalidInput, match="only the gateway writes"):
                await refused


@pytest.mark.parametrize("forged", [3, 4, [1], "2"])
def test_the_way_back_never_leads_forward(forged: object) -> None:
    records = [{"seq": seq, "hash": str(seq), "evidence": {}} for seq in (3, 2, 1)]
    records[0]["evidence"] = {"rollback_to": forged}
    found = before(records)
    assert found is not None
    assert found["seq"] == 2


async def test_requests_come_in_pages_newest_first(desk: Desk) -> None:
    first, second, third = [await desk.ask(version=version, template=f"{version}") for version in (3, 4, 5)]
    assert [each.id for each in desk.requests.list(limit=2)] == [third.id, second.id]
    assert [each.id for each in desk.requests.list(after=second.id, limit=2)] == [first.id]


async def test_a_past_moment_is_answered_by_what_was_live_then(desk: Desk) -> None:
    first = await desk.publish(1)
    reference = "support.summary@production"
    assert as_of(desk.published, reference, first["published_at"]) == first
    second = await desk.publish(2)
    assert as_of(desk.published, reference, MUCH_LATER) == second
    with pytest.raises(NotFound, match="Nothing was live"):
        as_of(desk.published, reference, LONG_AGO)
