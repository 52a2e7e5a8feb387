"""The table of stored objects."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from workbench.gateway.state import State, stored_objects_table
from workbench.gateway.unified.objects.store import ObjectStore, Stored


def test_an_object_that_two_requests_see_first_at_once_is_kept_once(state: State) -> None:
    store = ObjectStore(state)
    first = Stored("file-1", "file", "owner:ana", "acme", "file-x", 1.0, {})
    before: list[Stored] = []

    def other(connection: sa.Connection, *_: Any) -> None:
        if not before:
            before.append(first)
            connection.execute(stored_objects_table.insert().values(asdict(first)))

    sa.event.listen(state._engine, "savepoint", other)
    store.keep(replace(first, created_at=2.0, seen={"status": "processed"}))
    assert before
    assert store.get("file-1", "owner:ana") == replace(first, seen={"status": "processed"})
