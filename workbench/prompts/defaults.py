"""The gateway and the tracker that are meant where none is passed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from workbench import client, tracking
from workbench.settings import MountedEnvironment, mounted_environment

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker


def default_gateway() -> Gateway:
    """Return a client of the gateway that the environment names; one is kept for the process."""
    return _gateway(mounted_environment())


def default_tracker() -> Tracker:
    """Return the tracker of the configuration in force."""
    return tracking.connect()


@lru_cache(maxsize=1)
def _gateway(_environment: MountedEnvironment) -> Gateway:
    return client.Gateway()
