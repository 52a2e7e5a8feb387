"""The review of use cases: who may take which step, what each leaves behind, and what comes out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from workbench.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from workbench.gateway.access.identity import ROLES, Identity
from workbench.gateway.access.limits import NO_BUDGET, Budget, Limits
from workbench.gateway.parts import Parts
from workbench.gateway.review.grant import GrantWish
from workbench.gateway.review.projection import Projection
from workbench.gateway.review.record import Record
from workbench.gateway.review.review import Review, SubmitWish, UseCaseKeyWish
from workbench.gateway.review.rfc import Rfc, RfcChange
from workbench.gateway.review.states import TRANSITIONS, State, actions_in, next_state, what_now
from workbench.settings import parse_settings

ANA = Identity("ana", source="oidc")
EVE = Identity("eve", source="oidc")
REVIEWERS = frozenset({"user", "reviewer"})
RUTH = Identity("ruth", roles=REVIEWERS, source="oidc")
ROB = Identity("rob", roles=REVIEWERS, source="oidc")
GRACE = Identity("grace", groups=("board",), source="oidc")
ADMIN = Identity("adam", roles=frozenset({"user", "admin"}), source="oidc")
OWNER = Identity("me", roles=ROLES)

IDENTITY = """
[identity.oidc]
issuer = "https://login.example.com"
audience = "workbench"
"""
REST = """
[review.data_classes.internal]
trust = ["in_house"]
[review.data_classes.personal]
approvals = 2
escalation = "board"
trust = ["in_house"]
[review.groups.board]
members = ["bo"]
[review.templates.batch]
budget = { usd_per_day = 3 }
weight = 2.5
[providers.local]
kind = "local"
trust = "in_house"
[providers.far]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
[[models]]
name = "near"
deployments = [{ provider = "local", model = "smollm2-135m" }]
[[models]]
name = "distant"
deployments = [{ provider = "far", model = "m" }]
"""
CONFIG = IDENTITY + REST
WHOLE: dict[str, Any] = {
    "purpose": "Draft answers for the help desk",
    "data_classes": ["internal"],
    "models": ["near"],
    "volume": {"calls_per_day": 100},
    "answers": {"wrong_answer": "A person answers", "human_review": True},
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Parts]:
    async for parts in opened(tmp_path, CONFIG):
        yield parts


@pytest.fixture
def review(gateway: Parts) -> Review:
    return gateway.review


async def opened(home: Path, config: str) -> AsyncIterator[Parts]:
    settings = parse_settings(config, file=home / "workbench.toml", environ={"WORKBENCH_HOME": str(home)})
    parts = Parts(settings)
    await parts.open()
    yield parts
    await parts.close()


def rfc(name: str = "desk", **fields: Any) -> Rfc:
    return msgspec.convert({"name": name, **WHOLE, **fields}, Rfc)


async def submitted(review: Review, name: str = "desk", by: Identity = ANA, **fields: Any) -> Record:
    await review.draft(rfc(name, **fields), by)
    return await review.submit(name, by, SubmitWish())


def grant(why: str = "fine", **fields: Any) -> GrantWish:
    return msgspec.convert({"why": why, **fields}, GrantWish)


# -- the table of transitions ---------------------------------------------------------------------------------------


def test_every_state_but_the_last_has_a_way_on():
    ends = {state for state in get_args(State) if actions_in(state) == ["comment"]}
    assert ends == {"rejected", "retired"}


@pytest.mark.parametrize("state", get_args(State))
def test_an_unknown_step_is_told_with_what_may_be_done_now_and_by_whom(state: State):
    for action, step in TRANSITIONS.items():
        if state in step.to:
            continue
        with pytest.raises(Conflict) as caught:
            next_state(action, state, name="desk", escalated_to="board")
        assert caught.value.hint == what_now(state, escalated_to="board")
        assert all(way.replace("-", " ") in caught.value.hint for way in actions_in(state))
    assert ("a member of board" in what_now(state, escalated_to="board")) == (state == "escalated")


# -- the owner's side -----------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_draft_that_lacks_something_is_told_everything_that_it_lacks(review: Review):
    await review.draft(Rfc(name="desk"), ANA)
    with pytest.raises(InvalidInput, match=r"purpose.*data_classes.*models.*calls_per_day") as caught:
        await review.submit("desk", ANA, SubmitWish())
    assert caught.value.error_code == "incomplete"
    assert (await review.get("desk", ANA)).state == "draft"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data_classes": ["secret"]}, "No data class 'secret'"),
        ({"providers": ["nobody"]}, "No provider 'nobody'"),
        ({"answers": {"odd": "x"}}, "No question 'odd'"),
        ({"answers": {"human_review": "yes"}}, "expected true or false"),
    ],
)
async def test_a_draft_names_only_what_there_is(review: Review, fields: dict[str, Any], told: str):
    with pytest.raises(InvalidInput, match=told):
        await review.draft(rfc(**fields), ANA)
    with pytest.raises(NotFound):
        await review.get("desk", ANA)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"models": ["distant"]}, "served by far, which may not see internal data"),
        ({"models": ["far/any"]}, "served by far"),
        ({"models": ["nothing"]}, "no model 'nothing' is known"),
        ({"providers": ["far"]}, "provider far is third_party"),
        ({"answers": {"human_review": True}}, "answers.wrong_answer is missing"),
        ({"data_classes": ["personal"]}, "answers.legal_basis is missing"),
    ],
)
async def test_what_data_may_not_go_to_can_not_be_asked_for(review: Review, fields: dict[str, Any], told: str):
    await review.draft(rfc(**fields), ANA)
    with pytest.raises(InvalidInput, match=told):
        await review.submit("desk", ANA, SubmitWish())


@pytest.mark.anyio
async def test_somebody_elses_use_case_is_not_there(review: Review):
    await submitted(review)
    for verb in (
        lambda: review.get("desk", EVE),
        lambda: review.edit("desk", EVE, RfcChange(purpose="mine")),
        lambda: review.submit("desk", EVE, SubmitWish()),
        lambda: review.comment("desk", EVE, "hello"),
        lambda: review.approve("desk", EVE, grant()),
        lambda: review.retire("desk", EVE, why="bored"),
        lambda: review.key("desk", EVE, UseCaseKeyWish()),
    ):
        with pytest.raises(NotFound):
            await verb()
    assert [record.name for record in await review.all(EVE, state=None, limit=10)] == []
    for who in (ANA, RUTH, ADMIN):
        assert [record.name for record in await review.all(who, state=None, limit=10)] == ["desk"]


@pytest.mark.anyio
async def test_a_name_is_given_once_and_another_is_made_owner_by_an_admin_only(review: Review):
    await review.draft(rfc(), ANA)
    with pytest.raises(Conflict, match="already"):
        await review.draft(rfc(), EVE)
    with pytest.raises(PermissionDenied, match="can't make eve the owner"):
        await review.edit("desk", ANA, RfcChange(owner="eve"))
    assert (await review.edit("desk", ADMIN, RfcChange(owner="eve"))).owner == "eve"


@pytest.mark.anyio
async def test_an_rfc_is_edited_only_while_it_is_its_owners_turn(review: Review):
    await submitted(review)
    with pytest.raises(Conflict, match="edit can't be done"):
        await review.edit("desk", ANA, RfcChange(purpose="another"))
    await review.request_changes("desk", RUTH, why="say more")
    assert (await review.edit("desk", ANA, RfcChange(purpose="another"))).rfc.purpose == "another"
    assert (await review.submit("desk", ANA, SubmitWish())).state == "submitted"


@pytest.mark.anyio
async def test_a_projection_is_kept_until_the_volume_changes(review: Review):
    projection = Projection(
        run_id="abc", n=12, calls_per_day=100, usd_per_call=0.01, projected_usd_per_month=30.4, low=20.0, high=41.0
    )
    await review.draft(rfc(), ANA)
    for wrong in ({"calls_per_day": 50}, {"low": 31.0}, {"high": 30.0}):
        with pytest.raises(InvalidInput, match="projection"):
            await review.submit("desk", ANA, SubmitWish(projection=msgspec.structs.replace(projection, **wrong)))
    record = await review.submit("desk", ANA, SubmitWish(projection=projection))
    assert record.projection == projection
    await review.request_changes("desk", RUTH, why="more calls")
    assert (await review.edit("desk", ANA, RfcChange(purpose="x"))).projection == projection
    volume = msgspec.convert({"calls_per_day": 200}, type(record.rfc.volume))
    assert (await review.edit("desk", ANA, RfcChange(volume=volume))).projection is None


# -- the reviewers' side --------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_was_approved_is_in_force_by_the_template_and_the_reviewers_word(gateway: Parts, review: Review):
    await submitted(review, service_level="batch", tier=3)
    wish = grant(limits={"concurrent": 4}, guaranteed_tokens_per_minute=500, tier=1)
    assert (await review.approve("desk", RUTH, wish)).state == "approved"
    use_case = gateway.use_cases.get("desk")
    assert use_case is not None
    assert (use_case.owner, use_case.data_class, use_case.service_level) == ("ana", "internal", "batch")
    assert (use_case.tier, use_case.guaranteed_tokens_per_minute, use_case.weight) == (1, 500, 2.5)
    assert use_case.limits == Limits(concurrent=4)
    assert use_case.budget == Budget(usd_per_day=3, usd_per_month=100)


@pytest.mark.anyio
async def test_a_budget_is_taken_away_by_null_and_a_provider_without_trust_is_not_granted(
    gateway: Parts, review: Review
):
    await submitted(review)
    with pytest.raises(InvalidInput, match="'far' may not see internal data"):
        await review.approve("desk", RUTH, grant(providers=["far"]))
    await review.approve("desk", RUTH, grant(budget=None))
    use_case = gateway.use_cases.get("desk")
    assert use_case is not None
    assert use_case.budget == NO_BUDGET


@pytest.mark.anyio
async def test_a_decision_needs_a_reviewer_and_a_reason(review: Review):
    await submitted(review)
    with pytest.raises(PermissionDenied, match="no reviewer"):
        await review.approve("desk", ADMIN, grant())
    with pytest.raises(PermissionDenied, match="no reviewer"):
        await review.reject("desk", ANA, why="not mine")
    for verb in (review.reject, review.request_changes, review.retire):
        with pytest.raises(InvalidInput, match="why is empty"):
            await verb("desk", RUTH, why="  ")
    assert (await review.get("desk", ANA)).state == "submitted"


@pytest.mark.anyio
async def test_nobody_approves_what_they_had_a_hand_in(review: Review):
    await submitted(review, "own", by=RUTH)
    await review.draft(rfc("helped"), ANA)
    both = Identity("ada", roles=frozenset({"user", "admin", "reviewer"}), source="oidc")
    await review.edit("helped", both, RfcChange(purpose="better words"))
    await review.submit("helped", ANA, SubmitWish())
    for name, who in (("own", RUTH), ("helped", both)):
        with pytest.raises(PermissionDenied, match="nobody approves their own"):
            await review.approve(name, who, grant())
    local_owner = Identity("ana", roles=ROLES)  # the token file beside other people
    with pytest.raises(PermissionDenied, match="nobody approves their own"):
        await review.approve("helped", local_owner, grant())


@pytest.mark.anyio
async def test_the_one_local_owner_approves_their_own_and_it_is_recorded_as_such(tmp_path: Path):
    async for gateway in opened(tmp_path, REST):
        await submitted(gateway.review, by=OWNER)
        record = await gateway.review.approve("desk", OWNER, grant("it is only me"))
        assert record.state == "approved"
        assert [approval.self_approved_as_local_owner for approval in record.approvals] == [True]
        event = (await gateway.review.events("desk"))[-1]
        assert event.details["self_approved_as_local_owner"] is True


PERSONAL: dict[str, Any] = {
    "data_classes": ["internal", "personal"], "answers": {**WHOLE["answers"], "legal_basis": "consent"},
}  # fmt: skip


@pytest.mark.anyio
async def test_personal_data_need_two_different_people_who_grant_the_same(gateway: Parts, review: Review):
    await submitted(review, **PERSONAL)
    record = await review.approve("desk", RUTH, grant(budget={"usd_total": 5}))
    assert record.state == "in_review"
    assert gateway.use_cases.get("desk") is None
    with pytest.raises(Conflict, match="approved use case desk already"):
        await review.approve("desk", RUTH, grant())
    with pytest.raises(Conflict, match="another grant"):
        await review.approve("desk", ROB, grant(budget={"usd_total": 6}))
    record = await review.approve("desk", ROB, grant())
    assert record.state == "approved"
    assert [approval.by for approval in record.approvals] == ["ruth", "rob"]
    use_case = gateway.use_cases.get("desk")
    assert use_case is not None
    assert (use_case.data_class, use_case.budget) == ("personal", Budget(usd_total=5))


@pytest.mark.anyio
async def test_two_who_approve_at_the_same_time_both_count(review: Review):
    await submitted(review, **PERSONAL)
    await asyncio.gather(*(review.approve("desk", who, grant()) for who in (RUTH, ROB)))
    record = await review.get("desk", RUTH)
    assert (record.state, {approval.by for approval in record.approvals}) == ("approved", {"ruth", "rob"})
    assert [event.number for event in await review.events("desk")] == [1, 2, 3, 4]


@pytest.mark.anyio
async def test_an_approval_does_not_outlive_a_request_for_changes(review: Review):
    await submitted(review, **PERSONAL)
    await review.approve("desk", RUTH, grant())
    await review.request_changes("desk", ROB, why="too much")
    await review.submit("desk", ANA, SubmitWish())
    assert (await review.approve("desk", ROB, grant())).state == "in_review"


@pytest.mark.anyio
async def test_only_a_member_of_the_group_decides_on_what_was_escalated(review: Review):
    await submitted(review, **PERSONAL)
    assert (await review.escalate("desk", RUTH, to=None, why="odd")).escalated_to == "board"
    for verb in (
        lambda: review.approve("desk", ROB, grant()),
        lambda: review.reject("desk", ROB, why="no"),
        lambda: review.request_changes("desk", ROB, why="back to me"),
    ):
        with pytest.raises(PermissionDenied, match="only a member of board"):
            await verb()
    await review.request_changes("desk", GRACE, why="say who reads it")
    assert (await review.submit("desk", ANA, SubmitWish())).state == "escalated", "it stays with the group"
    assert (await review.approve("desk", GRACE, grant())).state == "escalated"
    bo = Identity("bo", source="oidc")  # a member by the file
    assert (await review.approve("desk", bo, grant())).state == "approved"


@pytest.mark.anyio
async def test_escalating_to_nobody_is_told_who_there_is(review: Review):
    await submitted(review)
    with pytest.raises(InvalidInput, match="Known: board"):
        await review.escalate("desk", RUTH, to="friends", why="odd")


@pytest.mark.anyio
async def test_a_reviewers_first_comment_takes_it_into_review_and_its_owners_does_not(review: Review):
    await submitted(review)
    assert (await review.comment("desk", ANA, "please hurry")).state == "submitted"
    assert (await review.comment("desk", RUTH, "reading")).state == "in_review"
    assert (await review.reject("desk", RUTH, why="no need")).state == "rejected"
    assert (await review.comment("desk", ANA, "pity")).state == "rejected"
    with pytest.raises(Conflict, match="is rejected: submit can't be done"):
        await review.submit("desk", ANA, SubmitWish())


@pytest.mark.anyio
async def test_everything_is_kept_with_who_when_and_why(review: Review):
    await submitted(review)
    await review.approve("desk", RUTH, grant("looks right"))
    told = [(event.action, event.by, event.before, event.after, event.why) for event in await review.events("desk")]
    assert told == [
        ("create", "ana", None, "draft", ""),
        ("submit", "ana", "draft", "submitted", ""),
        ("approve", "ruth", "submitted", "approved", "looks right"),
    ]
    times = [event.at for event in await review.events("desk")]
    assert times == sorted(times)


@pytest.mark.anyio
async def test_how_much_it_gets_is_amended_by_a_reviewer_and_where_its_data_go_is_not(gateway: Parts, review: Review):
    await submitted(review)
    with pytest.raises(Conflict, match="amend can't be done"):
        await review.amend("desk", RUTH, grant(tier=1))
    await review.approve("desk", RUTH, grant())
    await review.amend("desk", ROB, grant("busy season", budget={"usd_per_month": 500}, when_exhausted="near"))
    use_case = gateway.use_cases.get("desk")
    assert use_case is not None
    assert (use_case.budget, use_case.when_exhausted) == (Budget(usd_per_month=500), "near")
    assert use_case.limits == Limits(requests_per_minute=600, tokens_per_minute=200_000, concurrent=16)
    with pytest.raises(InvalidInput, match="does not change models"):
        await review.amend("desk", ROB, grant(models=["distant"]))
    with pytest.raises(InvalidInput, match="changes nothing"):
        await review.amend("desk", ROB, grant())
    with pytest.raises(InvalidInput, match="No model named 'naer'"):
        await review.amend("desk", ROB, grant(when_exhausted="naer"))
    with pytest.raises(PermissionDenied, match="no reviewer"):
        await review.amend("desk", ANA, grant(budget=None))
    assert (await review.events("desk"))[-1].why == "busy season"


# -- keys and the end -----------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_keys_are_for_what_was_approved_and_no_more(review: Review):
    await submitted(review, models=["near", "local/*"])
    with pytest.raises(Conflict, match="key can't be done"):
        await review.key("desk", ANA, UseCaseKeyWish())
    await review.approve("desk", RUTH, grant())
    issued = await review.key("desk", ANA, UseCaseKeyWish(note="app"))
    assert issued.secret.startswith("wbp-")
    assert (issued.key.owner, issued.key.use_case, issued.key.kind) == ("ana", "desk", "production")
    assert (issued.key.scopes.models, issued.key.scopes.providers) == (("near", "local/*"), ("local",))
    narrow = await review.key("desk", ANA, UseCaseKeyWish(models=["local/tiny"], paths=["/v1/chat/*"]))
    assert (narrow.key.scopes.models, narrow.key.scopes.paths) == (("local/tiny",), ("/v1/chat/*",))
    for wish in ({"models": ["distant"]}, {"models": ["*"]}, {"models": ["local*"]}, {"providers": ["far"]}):
        with pytest.raises(PermissionDenied, match="more than was approved"):
            await review.key("desk", ANA, UseCaseKeyWish(**wish))
    with pytest.raises(PermissionDenied, match="does not own"):
        await review.key("desk", RUTH, UseCaseKeyWish())
    assert len(await review.keys("desk")) == 2


@pytest.mark.anyio
async def test_the_keys_of_a_retired_use_case_are_dead(gateway: Parts, review: Review):
    await submitted(review)
    await review.approve("desk", RUTH, grant())
    issued = await review.key("desk", ANA, UseCaseKeyWish())
    assert gateway.keys.check(issued.secret) == issued.key
    assert (await review.retire("desk", ANA, why="replaced")).state == "retired"
    with pytest.raises(Exception, match="was revoked"):
        gateway.keys.check(issued.secret)
    use_case = gateway.use_cases.get("desk")
    assert use_case is not None
    assert use_case.retired
    with pytest.raises(Conflict, match="is retired"):
        await review.key("desk", ANA, UseCaseKeyWish())


@pytest.mark.anyio
async def test_a_key_that_is_issued_while_its_use_case_retires_is_dead(gateway: Parts, review: Review):
    for number in range(5):
        name = f"desk-{number}"
        await submitted(review, name)
        await review.approve(name, RUTH, grant())
        await asyncio.gather(
            review.key(name, ANA, UseCaseKeyWish()), review.retire(name, ANA, why="race"), return_exceptions=True
        )
        assert (await review.get(name, ANA)).state == "retired"
        assert [key["revoked_at"] is not None for key in await review.keys(name)] in ([], [True])
        assert all(gateway.keys.get(key["id"]).dead_since(gateway.keys.now() + 1) for key in await review.keys(name))


@pytest.mark.anyio
async def test_what_was_decided_survives_a_restart(gateway: Parts, review: Review, tmp_path: Path):
    await submitted(review)
    await review.approve("desk", RUTH, grant())
    async for again in opened(tmp_path, CONFIG):
        assert again.use_cases.get("desk") == gateway.use_cases.get("desk")


# -- the text on risks ----------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_text_on_risks_is_acknowledged_at_submission_and_a_new_version_anew(tmp_path: Path):
    (tmp_path / "risks.md").write_text("Models make mistakes.")
    risky = CONFIG + '[review]\nrisk_text = "risks.md"\nrisk_version = "2026-1"\n'
    async for gateway in opened(tmp_path, risky):
        review = gateway.review
        await review.draft(rfc(), ANA)
        with pytest.raises(PermissionDenied, match="workbench usecase risks") as caught:
            await review.submit("desk", ANA, SubmitWish())
        assert caught.value.error_code == "acknowledgement_needed"
        with pytest.raises(Conflict, match="version 2026-1 is"):
            await review.submit("desk", ANA, SubmitWish(acknowledge="2025-9"))
        record = await review.submit("desk", ANA, SubmitWish(acknowledge="2026-1"))
        assert record.risk_version == "2026-1"
        assert await review.acknowledging.acknowledged(ANA)
        assert not await review.acknowledging.acknowledged(EVE)
        told = await review.acknowledging.told(ANA)
        assert (told["text"], told["version"]) == ("Models make mistakes.", "2026-1")
    async for gateway in opened(tmp_path, risky.replace("2026-1", "2026-2")):
        assert not await gateway.review.acknowledging.acknowledged(ANA)


@pytest.mark.anyio
async def test_nothing_is_acknowledged_by_a_submission_that_fails(tmp_path: Path):
    (tmp_path / "risks.md").write_text("Models make mistakes.")
    async for gateway in opened(tmp_path, CONFIG + '[review]\nrisk_text = "risks.md"\n'):
        await gateway.review.draft(Rfc(name="desk"), ANA)
        with pytest.raises(InvalidInput):
            await gateway.review.submit("desk", ANA, SubmitWish(acknowledge="1"))
        assert not await gateway.review.acknowledging.acknowledged(ANA)
