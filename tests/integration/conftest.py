"""What many integration tests stand on: the simulated providers, and one real MLflow store.

Making the store's schema takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench import tracking
from workbench.settings import Settings, load_settings
from workbench.testing.simulator import SimulatedProviders, simulated_providers
from workbench.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """The simulated providers, of one module's own."""
    with simulated_providers() as running:
        yield running


@pytest.fixture(scope="session")
def tracking_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose home has an MLflow store of its own, shared by the session; name experiments apart."""
    home = tmp_path_factory.mktemp("tracking") / "home"
    return load_settings(home=home, environ={}, credentials=False)


@pytest.fixture(scope="session")
def tracker(tracking_settings: Settings) -> Tracker:
    """The tracker of that store."""
    return tracking.connect(tracking_settings)


@pytest.fixture
def tracking_home(tracking_settings: Settings, tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of that store, in force for this process and its children."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tracking_settings.home))
    return tracking_settings.home
