"""A state database on a server: it is locked, lost and back again, and two gateways begin on it at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from workbench.errors import Unavailable
from workbench.gateway.state import KEYS, SCHEMA_VERSION, State, metadata, schema_table
from workbench.testing.postgres import PostgresServer


@pytest.fixture
def shared(postgres: PostgresServer) -> Iterator[State]:
    opened = State(postgres.new_database())
    opened.open()
    yield opened
    opened.close()


def test_several_gateways_begin_on_one_empty_database(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    states = [State(url) for _ in range(4)]
    with ThreadPoolExecutor(len(states)) as threads:
        list(threads.map(State.open, states))
    with states[0].transaction() as connection:
        assert connection.execute(sa.select(schema_table.c.version)).scalars().all() == [SCHEMA_VERSION]
        assert set(sa.inspect(connection).get_table_names()) >= set(metadata.tables)
    for state in states:
        state.close()


def test_changes_of_many_are_all_counted(shared: State) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: shared.tell(KEYS), range(20)))
    assert shared.changes() == {KEYS: 20}


def test_a_server_that_is_gone_is_told_at_once_and_used_again_when_it_is_back(
    shared: State, postgres: PostgresServer
) -> None:
    shared.tell(KEYS)
    postgres.stop()
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable) as told:
            shared.tell(KEYS)
        assert time.monotonic() - began < 15
        assert told.value.error_code == "state_unavailable"
        assert "admin" in str(told.value)
    finally:
        postgres.start()
    assert shared.tell(KEYS) == 2


def test_a_locked_table_is_not_waited_for_without_end(shared: State) -> None:
    with ThreadPoolExecutor(1) as thread, shared.transaction(tells=KEYS), pytest.raises(Unavailable) as told:
        thread.submit(shared.tell, KEYS).result(timeout=30)
    assert told.value.error_code == "state_unavailable"
