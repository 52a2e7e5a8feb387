"""The process that the tests' gateways are forked from."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from workbench.testing.forked import Forker


def test_it_belongs_to_no_home_and_knows_no_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_API_KEY", "wbx-not-to-be-inherited")
    before = set(psutil.Process().children())
    forker = Forker()
    try:
        (process,) = set(psutil.Process().children()) - before
        environ = process.environ()
    finally:
        forker.close()
    assert "PATH" in environ
    assert not [name for name in environ if name.startswith("WORKBENCH_")]
