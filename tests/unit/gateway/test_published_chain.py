"""The chain under the published prompts: kinds of records, many writers, and what was tampered with while it ran."""

import asyncio
import contextlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.requests import Request

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.record import Publication, Published
from workbench.gateway.published.rollout_routes import RolloutRoutes
from workbench.gateway.published.rollouts import Rollouts, RolloutWish
from workbench.gateway.published.serving import serve
from workbench.gateway.state import State, published_table
from workbench.wire.prompt_hash import canonical_json
from workbench.wire.record_chain import record_hash

ANA = Identity("ana")


def wish(version: int = 1, text: str = "Say {{x}}") -> Publication:
    return Publication(version=version, template=text, reason="better")


def opened(state: State) -> Published:
    published = Published(state)
    published.open()
    return published


async def test_records_of_other_kinds_stand_in_the_chain_and_are_not_live(state: State) -> None:
    published = opened(state)
    first = await published.publish("a@production", wish(), ANA)
    other = await published.append("rollout", "a", {"weights": {"production": 90}}, ANA, alias="production")
    assert (other["seq"], other["prev_hash"], other["by"]) == (2, first["record_hash"], "ana")
    assert published.get("a@production") == first
    assert published.history("a@production") == [first]
    assert published.of_kind("rollout", name="a") == opened(state).of_kind("rollout") == [other]
    assert published.of_kind("rollout", alias="canary") == []
    with pytest.raises(NotFound):
        published.get("b@production")


async def test_a_record_of_another_kind_must_be_json_of_a_prompt(state: State) -> None:
    published = opened(state)
    for kind, name, body in [("publish", "a", {}), ("x", "a b", {}), ("x", "a", {"n": float("nan")}), ("x", "a", {1})]:
        with pytest.raises(InvalidInput):
            await published.append(kind, name, body, ANA)  # type: ignore[arg-type]
    assert published.chain.head.seq == 0


async def test_what_a_body_decides_on_is_what_every_process_wrote(state: State) -> None:
    here, there = opened(state), opened(state)

    def count(published: Published) -> int:
        return len(published.of_kind("step"))

    await asyncio.gather(
        *(p.append("step", "a", lambda p=p: {"before": count(p)}, ANA) for p in (here, there) for _ in range(5))
    )
    await here.catch_up()
    assert [record["body"]["before"] for record in here.of_kind("step")] == list(range(10))


async def test_who_listens_hears_of_each_change_here_and_elsewhere(state: State) -> None:
    here, there = opened(state), opened(state)
    heard: list[int] = []
    here.chain.listeners.append(lambda: heard.append(here.chain.head.seq))
    await here.publish("a@b", wish(1), ANA)
    await there.publish("a@b", wish(2), ANA)
    await here.catch_up()
    await here.catch_up()
    assert heard == [1, 2]
    assert here.get("a@b")["version"] == 2


def rewritten(state: State) -> None:
    """Write the first record anew, with another text, and every hash after it: a chain that is whole in itself."""
    with state.transaction() as connection:
        prev = None
        for row in connection.execute(sa.select(published_table).order_by(published_table.c.seq)).all():
            record = json.loads(row.record)
            record["reason"] = "worse"
            record["prev_hash"] = prev or record["prev_hash"]
            prev = record_hash(record)
            values = {"record": canonical_json(record).decode(), "prev_hash": record["prev_hash"], "record_hash": prev}
            connection.execute(published_table.update().where(published_table.c.seq == row.seq).values(**values))


def emptied(state: State) -> None:
    with state.transaction() as connection:
        connection.execute(published_table.delete().where(published_table.c.seq == 2))


def edited(state: State) -> None:
    with state.transaction() as connection:
        text = sa.func.replace(published_table.c.record, "Say", "Sing")
        connection.execute(published_table.update().where(published_table.c.seq == 1).values(record=text))


@pytest.mark.parametrize("tamper", [rewritten, emptied, edited])
async def test_what_is_tampered_with_while_it_runs_is_found_and_the_last_good_served(state: State, tamper) -> None:
    published = opened(state)
    await published.publish("a@b", wish(1), ANA)
    good = await published.publish("a@b", wish(2), ANA)
    assert published.chain.verify() == published.chain.head
    tamper(state)
    with pytest.raises(IntegrityError):
        published.chain.verify()
    await published.catch_up()
    assert published.get("a@b") == good
    if tamper is not edited:  # a look reads what is new; what is old and whole in its place is read by `verify`
        assert published.chain.fault is not None
        with pytest.raises(IntegrityError):
            await published.publish("a@b", wish(3), ANA)


async def test_a_record_that_comes_in_while_the_whole_is_read_is_no_tampering(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = opened(state)
    await published.publish("a@b", wish(1), ANA)
    chain, transaction = published.chain, state.transaction

    @contextlib.contextmanager
    def read_and_outrun(**options: Any) -> Any:
        monkeypatch.undo()
        with transaction(**options) as connection:
            yield connection
        asyncio.run(published.publish("a@b", wish(2), ANA))

    monkeypatch.setattr(state, "transaction", read_and_outrun)
    assert (await asyncio.to_thread(chain.verify)).seq == 1
    assert chain.verify() == chain.head
    assert chain.head.seq == 2


async def test_who_listens_hears_of_what_came_in_with_a_record_that_was_refused(state: State) -> None:
    here, there = opened(state), opened(state)
    heard: list[int] = []
    here.chain.listeners.append(lambda: heard.append(here.chain.head.seq))
    await there.publish("a@b", wish(1), ANA)
    refused = Publication(version=2, template="two", reason="better", expects=0)
    with pytest.raises(Conflict):
        await here.publish("a@b", refused, ANA)
    await here.catch_up()
    assert heard == [1]


async def test_a_chain_that_was_mended_is_written_again(state: State) -> None:
    published = opened(state)
    await published.publish("a@b", wish(1), ANA)
    await published.publish("a@b", wish(2), ANA)
    with state.transaction() as connection:
        row = connection.execute(sa.select(published_table).where(published_table.c.seq == 2)).mappings().one()
    emptied(state)
    await published.catch_up()
    assert published.chain.fault is not None
    with state.transaction() as connection:
        connection.execute(published_table.insert().values(**row))
    assert (await published.publish("a@b", wish(3), ANA))["seq"] == 3
    assert published.chain.fault is None


async def test_what_is_served_says_no_later_record_than_it_was_read_from(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = opened(state), opened(state)
    await here.publish("a@b", wish(1), ANA)
    await there.publish("a@b", wish(2), ANA)
    get = here.get

    def overtaken(reference: str) -> dict[str, Any]:
        found = get(reference)
        here.chain._look()
        return found

    monkeypatch.setattr(here, "get", overtaken)
    body = serve(here, Rollouts(here), "a@b", user=None).body
    assert (body["version"], body["seq"]) == (1, 1)


async def test_how_a_rollout_stands_is_told_by_what_every_worker_wrote(state: State) -> None:
    here, there = opened(state), opened(state)
    await there.publish("a@production", wish(1, "one"), ANA)
    await there.publish("a@canary", wish(2, "two"), ANA)
    await Rollouts(there).start("a@production", RolloutWish(reason="try"), ANA)

    async def reader(_: object) -> None: ...

    gateway: Any = SimpleNamespace(
        published=here,
        rollouts=Rollouts(here),
        identities=SimpleNamespace(reader=reader),
        outcomes=SimpleNamespace(last_look=lambda _: None),
    )
    scope = {"type": "http", "headers": [], "path_params": {"reference": "a@production"}, "workbench.request_id": "r"}
    answer = await RolloutRoutes(gateway).show(Request(scope))
    assert json.loads(bytes(answer.body))["state"] == "running"
