"""The only door to MLflow: prompt versions, runs with their tables, traces and assessments, in the workbench's words.

Importing this room is light; `connect()` loads MLflow. It hands MLflow an explicit store and never touches the global
tracking URI or the active experiment, so that a notebook may use MLflow in its own way beside it.
"""

from __future__ import annotations

import os
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import MissingComponent
from workbench.settings import Settings, load_settings
from workbench.tracking.prompt_version import PromptVersion
from workbench.tracking.run import Run, RunDataset, RunRecord
from workbench.tracking.trace import Trace, TraceRecord, new_trace_id

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

__all__ = [
    "PromptVersion",
    "Run",
    "RunDataset",
    "RunRecord",
    "Trace",
    "TraceRecord",
    "connect",
    "connected",
    "mlflow_environment",
    "new_trace_id",
]

_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Variables that keep MLflow and what it loads from calling home and printing; one that the user has set stays."""

_trackers: dict[tuple[str, Path], Tracker] = {}
_opening = threading.Lock()


def connect(settings: Settings | None = None) -> Tracker:
    """Open MLflow's store and return its tracker; a store that is already open is returned as it is.

    Makes the schema of a sqlite file, or brings it up to date, once and under a lock. Without `settings` they are
    read from the configuration in force. Raises MissingComponent if MLflow is not installed, TrackingError if the
    store can't be opened.
    """
    settings = settings or load_settings(credentials=False)
    place = (settings.tracking_uri, settings.home)
    with _opening:
        if place not in _trackers:
            if find_spec("mlflow") is None:
                raise MissingComponent("MLflow is not installed.", hint='pip install "genai-workbench[tracking]"')
            for name, value in _QUIET.items():  # MLflow reads them while it is imported
                os.environ.setdefault(name, value)
            _trackers[place] = import_module("workbench.tracking.tracker").Tracker(*place)
        return _trackers[place]


def connected(settings: Settings | None = None) -> Tracker | None:
    """Return what `connect` would, if this process has opened it already, else None; MLflow is not loaded by asking."""
    if not _trackers:
        return None
    settings = settings or load_settings(credentials=False)
    return _trackers.get((settings.tracking_uri, settings.home))


def mlflow_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that lead a process which uses MLflow by itself to the same store, without telemetry."""
    return {"MLFLOW_TRACKING_URI": settings.tracking_uri, **_QUIET}
