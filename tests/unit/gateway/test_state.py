"""The state database and its schema."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.errors import IntegrityError, Unavailable
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
