"""What the configuration tells of a model beside where it runs: for people who choose one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class About:
    """What stands before what the public table says; None where the configuration says nothing."""

    description: str | None = None
    """What it is good for, in a sentence."""
    reference: str | None = None
    """URL of its documentation."""
    deprecated_on: date | None = None
    """Day from which on it is not to be used any more."""
    successor: str | None = None
    """The model to use in its place."""
    modalities: tuple[str, ...] = ()
    """What it reads."""
    context_tokens: int | None = None
    """Most tokens of a prompt."""
    max_output_tokens: int | None = None
    """Most tokens of an answer."""


NOTHING = About()
