"""A candidate as a result knows it."""

from __future__ import annotations

from dataclasses import dataclass

Bounds = tuple[float, float] | None
"""Least and greatest score there can be; None if there is no bound."""


@dataclass(frozen=True)
class RunInfo:
    """One candidate of an experiment, and its MLflow run."""

    name: str
    """The candidate's name."""
    model: str | None
    """The model it asks."""
    prompt: str | None
    """Name of its prompt."""
    prompt_version: int | None
    """Number of the prompt's version."""
    run_id: str | None = None
    """Its MLflow run; None if it was not written."""
