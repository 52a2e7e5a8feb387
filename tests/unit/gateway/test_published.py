"""The record of published prompts and the feedback on calls."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.errors import IntegrityError, InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.published.feedback import Feedback, Word
from workbench.gateway.published.record import PromptMessage, Publication, Published, as_prompt
from workbench.gateway.published.rollout_calls import RolloutCalls
from workbench.gateway.state import State, published_table
from workbench.wire.prompt_hash import prompt_hash
from workbench.wire.record_chain import GENESIS

ANA = Identity("ana")


def wish(version: int = 1, **fields: object) -> Publication:
    return Publication(**{"version": version, "template": "Say {{x}}", "reason": "better", **fields})  # type: ignore[arg-type]


def opened(state: State) -> Published:
    published = Published(state)
    published.open()
    return published


async def test_what_is_published_is_live_with_its_hash_and_after_a_restart(state: State) -> None:
    record = await opened(state).publish("support.summary@production", wish(3, parameters={"temperature": 0.5}), ANA)
    assert record["hash"] == prompt_hash("Say {{x}}", {"temperature": 0.5}, None)
    assert (record["seq"], record["prev_hash"], record["published_by"]) == (1, GENESIS, "ana")
    again = opened(state)
    assert again.get("support.summary@production") == record
    told = as_prompt(record)
    assert told["messages"] == [{"role": "user", "content": "Say {{x}}"}]
    assert told["version"] == 3


async def test_the_newest_record_is_live_and_history_keeps_all(state: State) -> None:
    published = opened(state)
    first = await published.publish("a@production", wish(1), ANA)
    await published.publish("a@staging", wish(2), ANA)
    third = await published.publish("a@production", wish(2, template=[PromptMessage("system", "s")]), ANA)
    assert published.get("a@production") == third
    assert third["template"] == [{"role": "system", "content": "s"}]
    assert published.history("a@production") == [third, first]
    assert [r["alias"] for r in published.list()] == ["production", "staging"]
    assert opened(state).history("a@production") == [third, first]


async def test_an_unpublished_prompt_is_told_with_the_nearest(state: State) -> None:
    published = opened(state)
    await published.publish("support.summary@production", wish(), ANA)
    with pytest.raises(NotFound, match=r"Did you mean 'support.summary@production'"):
        published.get("support.sumary@production")
    with pytest.raises(NotFound):
        published.history("other@production")


@pytest.mark.parametrize("reference", ["a", "@b", "a@", "a b@c", "a/b@c", "a@b@c", "é@b", "x" * 201 + "@b"])
async def test_a_name_that_is_none_is_refused(state: State, reference: str) -> None:
    with pytest.raises(InvalidInput):
        await opened(state).publish(reference, wish(), ANA)
    assert opened(state).list() == []


@pytest.mark.parametrize("wrong", [{"version": 0}, {"reason": " "}, {"template": ""}, {"template": []}])
async def test_a_publication_that_says_too_little_is_refused(state: State, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        await opened(state).publish("a@b", wish(**wrong), ANA)  # type: ignore[arg-type]


@pytest.mark.parametrize("tampering", [
    published_table.update().where(published_table.c.seq == 1).values(
        record=sa.func.replace(published_table.c.record, "Say", "Sing")
    ),
    published_table.update().where(published_table.c.seq == 2).values(record="{}"),
    published_table.delete().where(published_table.c.seq == 1),
])  # fmt: skip
async def test_nothing_is_served_from_a_record_that_was_changed(state: State, tampering: sa.Executable) -> None:
    published = opened(state)
    await published.publish("a@b", wish(1), ANA)
    await published.publish("a@b", wish(2), ANA)
    with state.transaction() as connection:
        connection.execute(tampering)
    again = opened(state)
    assert again.fault is not None
    for ask in (again.list, lambda: again.get("a@b"), lambda: again.history("a@b")):
        with pytest.raises(IntegrityError):
            ask()
    with pytest.raises(IntegrityError):
        await again.publish("a@b", wish(3), ANA)


async def test_two_gateways_never_write_the_same_number(state: State) -> None:
    first, second = opened(state), opened(state)
    await first.publish("a@b", wish(1), ANA)
    assert (await second.publish("a@b", wish(2), ANA))["seq"] == 2
    assert (await first.publish("a@b", wish(3), ANA))["seq"] == 3
    assert opened(state).get("a@b")["version"] == 3


class TestFeedback:
    @pytest.fixture
    async def feedback(self, state: State, tmp_path: Path) -> Feedback:
        spool = Spool(tmp_path)
        spool.open()
        for request_id, owner in (("req_1", "ana"), ("req_2", "ana"), ("req_3", "bob")):
            await spool.write(LedgerRow(request_id=request_id, time="t", stage="staging", path="/v1", owner=owner))
        spool.close()
        return Feedback(state, Reports(spool.path), RolloutCalls(state))

    async def test_the_same_word_twice_is_one(
        self, feedback: Feedback, new_key: Callable[..., tuple[Key, str]]
    ) -> None:
        key, _ = new_key()
        first = feedback.give(Word("req_1", 1, "good"), key)
        assert feedback.give(Word("req_1", 1, "good"), new_key()[0]) == first
        assert [word["seq"] for word in feedback.after(0, 10)] == [first["seq"]]

    async def test_another_word_replaces_it_under_a_new_number(self, feedback: Feedback, new_key) -> None:
        key, _ = new_key()
        feedback.give(Word("req_1", 1), key)
        feedback.give(Word("req_2", True), key)
        newest = feedback.give(Word("req_1", 0, "no"), key)
        assert newest["seq"] == 3
        assert [(w["seq"], w["request_id"], w["value"]) for w in feedback.after(0, 10)] == [
            (2, "req_2", True),
            (3, "req_1", 0),
        ]
        assert feedback.after(3, 10) == []
        assert len(feedback.after(0, 1)) == 1

    @pytest.mark.parametrize("request_id", ["req_3", "req_9", "", "' OR 1=1 --"])
    async def test_a_call_of_somebody_else_is_not_there(self, feedback: Feedback, new_key, request_id: str) -> None:
        with pytest.raises(NotFound):
            feedback.give(Word(request_id, 1), new_key()[0])

    async def test_too_much_is_refused(self, feedback: Feedback, new_key) -> None:
        for word in (
            Word("req_1", "x" * 201), Word("req_1", 1, "x" * 4001), Word("req_1", 10**400), Word("req_1", -(10**400)),
            Word("req_1", "a\0b"), Word("req_1", 1, "a\0b"),
        ):  # fmt: skip
            with pytest.raises(InvalidInput):
                feedback.give(word, new_key()[0])
