"""Open rooms of a gateway, each on a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.gateway.access.key_format import PREFIXES, digest, new_secret
from workbench.gateway.access.keys import Key
from workbench.gateway.state import State


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
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
