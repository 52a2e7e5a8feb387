"""A ballot: what one rater is shown at one time, with nothing in it that tells whose the answers are."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.feedback.answer import Answer
from workbench.feedback.review_queue import Kind


@dataclass(frozen=True)
class Ballot:
    """One or two answers to judge."""

    ticket: str
    """Random word that names this showing to the server, and nothing else to anybody."""
    kind: Kind
    """`pairs`: two answers; `answers`: one."""
    question: str
    """What is asked."""
    answers: tuple[Answer, ...]
    """The answer, or the left and the right one. Their trace ids stay on the server."""


@dataclass(frozen=True)
class Progress:
    """How far a rater is."""

    done: int
    """Items that the rater has judged."""
    left: int
    """Items that still need this rater."""
