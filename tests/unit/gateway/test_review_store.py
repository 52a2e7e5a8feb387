"""Use cases in the state database, on SQLite and PostgreSQL: no change is lost, no dead key comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from workbench.errors import Conflict, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key
from workbench.gateway.review.record import Event, Record, follow
from workbench.gateway.review.rfc import Rfc
from workbench.gateway.review.store import UseCaseStore
from workbench.gateway.state import USE_CASES
from workbench.gateway.state import State as Database

ANA = Identity("ana")


def added(store: UseCaseStore, name: str = "desk") -> Record:
    rfc = Rfc(
        name=name, purpose="Grüße an die Küche", answers={"reader": "x", "sure": True, "often": 2.5, "none": None}
    )
    record = Record(rfc=rfc, owner="ana", state="draft", created_at=1.0, created_by="ana", updated_at=1.0)
    event = Event(number=1, action="create", by="ana", source="owner", at=1.0, before=None, after="draft")
    store.add(record, event)
    return record


def commented(text: str) -> Callable[[Record], tuple[Record, Event]]:
    return lambda record: follow(record, action="comment", by=ANA, state=record.state, at=2.0, why=text)


def test_what_was_kept_is_read_as_it_was(state: Database) -> None:
    store = UseCaseStore(state)
    record = added(store)
    assert store.get("desk") == record
    assert store.all(states=("draft",)) == [record]
    assert store.all(states=("approved", "retired")) == []
    with pytest.raises(NotFound, match="No use case 'disk'"):
        store.get("disk")
    with pytest.raises(Conflict, match="already"):
        added(store)


def test_of_many_who_change_it_at_once_each_leaves_its_event(state: Database) -> None:
    store = UseCaseStore(state)
    added(store)
    told: list[str] = []
    gate = threading.Barrier(4)

    def say(number: int) -> None:
        gate.wait()
        try:
            store.change("desk", commented(f"word {number}"))
            told.append(f"word {number}")
        except Conflict:  # five times somebody else was faster: told, and not kept
            pass

    threads = [threading.Thread(target=say, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = store.events("desk")
    assert [event.number for event in events] == list(range(1, len(told) + 2))
    assert sorted(event.why for event in events[1:]) == sorted(told)
    assert store.get("desk").revision == len(events)


def test_a_step_that_is_refused_changes_nothing(state: Database) -> None:
    store = UseCaseStore(state)
    record = added(store)

    def refused(_: Record) -> Any:
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        store.change("desk", refused, ends_keys=True)
    assert (store.get("desk"), len(store.events("desk"))) == (record, 1)
    assert USE_CASES not in state.changes()


def test_a_retired_use_case_takes_its_own_keys_with_it_and_they_stay_dead(
    state: Database, new_key: Callable[..., tuple[Key, str]]
) -> None:
    store, keys = UseCaseStore(state), KeyStore(state)
    added(store)
    own, _ = new_key(use_case="desk", kind="production")
    others, _ = new_key(use_case="kitchen", kind="production")
    for key in (own, others):
        keys.add(key)
    store.change(
        "desk",
        lambda record: follow(record, action="retire", by=ANA, state="retired", at=9.0, why="done"),
        ends_keys=True,
    )
    assert {key.id: key.revoked_at for key in keys.load()} == {own.id: 9.0, others.id: None}
    assert state.changes()[USE_CASES] == 1
    fresh, _ = new_key(use_case="desk", kind="production", rotated_from=own.id)
    with pytest.raises(Conflict, match="was revoked"):  # another process may not have heard of it yet
        keys.rotate(own.id, lambda key: (replace(key, expires_at=99.0), fresh), now=10.0)
    assert keys.get(fresh.id) is None
    assert keys.get(own.id) == replace(own, revoked_at=9.0)


def test_the_first_acknowledgement_of_a_version_stays(state: Database) -> None:
    store = UseCaseStore(state)
    for at in (3.0, 4.0):
        store.acknowledge("ana", "1", text_hash="h", at=at)
    assert store.acknowledged_at("ana", "1") == 3.0
    assert store.acknowledged_at("ana", "2") is None
    assert store.acknowledged_at("eve", "1") is None
