"""The build of JupyterLab's panel: it follows its sources, and an install never fails for it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import workbench

EXTENSION = Path(__file__).resolve().parents[3] / "extension"


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build hook, with a folder of its own to build into."""
    spec = importlib.util.spec_from_file_location("build_panel", EXTENSION / "build_panel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BUILT", tmp_path / "labextension")
    return module


def test_without_node_there_is_no_panel_and_the_reason_is_told(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "labextension"
    stale.mkdir()
    (stale / "package.json").write_text("{}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert builder.build() == "there is no Node.js to build it with."
    assert not stale.exists(), "an old panel does not stand for new sources"


def test_a_build_that_fails_leaves_nothing_and_tells_what_was_said(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho the network is closed\nexit 3\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = builder.build()
    assert "exit code 3" in told
    assert "the network is closed" in told
    assert not builder.BUILT.exists()


def test_what_was_built_of_these_sources_is_not_built_again(
    builder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.BUILT.mkdir()
    (builder.BUILT / builder.MADE_OF).write_text(builder._sources())
    monkeypatch.setenv("PATH", "")
    assert builder.build() is None


def test_the_panel_has_the_version_of_the_package() -> None:
    assert json.loads((EXTENSION / "panel" / "package.json").read_text())["version"] == workbench.__version__
