"""Open rooms of a gateway, each on a home of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.errors import MissingComponent
from workbench.gateway.access.key_format import PREFIXES, digest, new_secret
from workbench.gateway.access.keys import Key
from workbench.gateway.state import State
from workbench.testing.postgres import PostgresServer, postgres_server


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except MissingComponent as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A new state database: each test that takes it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'state.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    opened = State(url)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def new_key() -> Callable[..., tuple[Key, str]]:
    """Make a key and its secret; fields as wished."""

    def make(**fields: object) -> tuple[Key, str]:
        secret = new_secret(PREFIXES["exploration"])
        known = {"id": f"key_{secret[4:12]}", "hash": digest(secret), "kind": "exploration", "owner": "ana",
                 "note": "", "created_at": 1.0, "expires_at": None}  # fmt: skip
        return Key(**{**known, **fields}), secret  # type: ignore[arg-type]

    return make
