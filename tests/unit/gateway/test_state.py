"""The state database and its schema."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.errors import IntegrityError, Unavailable
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.limits import Budget
from workbench.gateway.state import SCHEMA_VERSION, State, schema_table


def test_opening_twice_changes_nothing(state: State) -> None:
    state.open()
    with state.transaction() as connection:
        assert connection.execute(sa.select(schema_table.c.version)).scalars().all() == [SCHEMA_VERSION]


def test_a_database_of_a_newer_program_is_refused_and_left_alone(state: State) -> None:
    with state.transaction() as connection:
        connection.execute(schema_table.update().values(version=SCHEMA_VERSION + 1))
    with pytest.raises(IntegrityError) as caught:
        state.open()
    assert caught.value.error_code == "newer_schema"
    assert "upgrade" in str(caught.value)


def test_a_file_that_is_no_database_is_told_as_unavailable(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("no database at all, " * 100)
    with pytest.raises(Unavailable):
        State(f"sqlite:///{tmp_path / 'state.db'}").open()


def test_work_that_fails_half_way_leaves_nothing(state: State) -> None:
    def work() -> None:
        with state.transaction() as connection:
            connection.execute(schema_table.insert().values(version=0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with state.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema_table)).scalar_one() == 1


def test_a_start_that_was_killed_before_its_version_was_written_is_ended_by_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    schema_table.create(engine)
    engine.dispose()
    state = State(url)
    state.open()
    with state.transaction() as connection:
        assert connection.execute(sa.select(schema_table.c.version)).scalars().all() == [SCHEMA_VERSION]
        assert sa.inspect(connection).has_table("keys")
    state.close()


_FIRST_KEYS = """
    CREATE TABLE keys (
        id VARCHAR(40) NOT NULL PRIMARY KEY, hash BLOB NOT NULL UNIQUE, kind VARCHAR(20) NOT NULL,
        owner VARCHAR(200) NOT NULL, use_case VARCHAR(200), note TEXT NOT NULL, lease VARCHAR(64),
        scopes JSON NOT NULL, limits JSON NOT NULL, created_at DOUBLE NOT NULL, expires_at DOUBLE, revoked_at DOUBLE
    )
"""


def test_a_database_of_the_first_schema_is_upgraded_in_place_and_keeps_its_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(_FIRST_KEYS))
        schema_table.create(connection)
        connection.execute(schema_table.insert().values(version=1))
        connection.execute(
            sa.text(
                "INSERT INTO keys (id, hash, kind, owner, note, scopes, limits, created_at) VALUES "
                """('key_1', x'01', 'exploration', 'ana', 'old', '{"models": ["a"]}', '{}', 1.5)"""
            )
        )
    engine.dispose()
    state = State(url)
    state.open()
    state.open()
    (key,) = KeyStore(state).load()
    assert (key.owner, key.note, key.scopes.models, key.budget, key.stopped) == ("ana", "old", ("a",), Budget(), None)
    KeyStore(state).change(key.id, lambda kept: replace(kept, budget=Budget(usd_total=2.5), stopped="budget_overrun"))
    (key,) = KeyStore(state).load()
    assert (key.budget, key.stopped) == (Budget(usd_total=2.5), "budget_overrun")
    with state.transaction() as connection:
        assert connection.execute(sa.select(sa.func.max(schema_table.c.version))).scalar_one() == SCHEMA_VERSION
        assert sa.inspect(connection).has_table("feedback")
    state.close()


def test_an_upgrade_that_was_killed_half_way_is_ended_by_the_next_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(_FIRST_KEYS))
        connection.execute(sa.text("ALTER TABLE keys ADD COLUMN budget JSON"))
        schema_table.create(connection)
        connection.execute(schema_table.insert().values(version=1))
    engine.dispose()
    state = State(url)
    state.open()
    assert KeyStore(state).load() == []
    state.close()
