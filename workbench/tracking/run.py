"""A run: what is handed in to be written, and what is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from workbench.tracking.trace import TraceRecord

if TYPE_CHECKING:
    import pandas as pd

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class RunDataset:
    """The data that a run was about."""

    name: str
    """Its name."""
    hash: str
    """Hash of its content."""
    rows: int
    """Number of examples."""


@dataclass(frozen=True)
class RunRecord:
    """Everything of one run, written at once."""

    experiment: str
    """Name of the experiment; made if it does not exist."""
    name: str
    """Name of the run."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """MLflow's params; values become text."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Figures of the whole run; what is not finite is left out."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the run."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables by file name (`cells.json`). A cell that is PNG, JPEG or WebP bytes, or a list of them, becomes files."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Matplotlib figures by file name (`scores.png`)."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Other artefacts by path."""
    traces: Sequence[TraceRecord] = ()
    """Traces that belong to the run."""
    dataset: RunDataset | None = None
    """The data that it was about, which MLflow shows as the run's input."""
    prompt: tuple[str, int] | None = None
    """Name and version of the prompt that the run used."""
    started_at: datetime | None = None
    """When it began; default: now."""
    ended_at: datetime | None = None
    """When it ended; default: when writing ended."""
    status: RunStatus = "FINISHED"
    """How it ended."""
    key: str | None = None
    """A word that makes writing idempotent: a finished run of the experiment with the same key is not written again,
    an unfinished one is thrown away and written anew."""


@dataclass(frozen=True)
class Run:
    """A run as MLflow holds it."""

    run_id: str
    """MLflow's id."""
    experiment: str
    """Name of its experiment."""
    name: str
    """Name of the run."""
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    started_at: datetime
    """UTC."""
    ended_at: datetime | None
    """UTC, or None while it runs."""
    parameters: Mapping[str, str]
    """MLflow's params."""
    metrics: Mapping[str, float]
    """Last value of each metric."""
    tags: Mapping[str, str]
    """Tags, without MLflow's own."""
