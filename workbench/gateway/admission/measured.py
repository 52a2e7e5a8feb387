"""What admission must know of a question before it is sent: the most that it can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, cast

from workbench.gateway.admission.later import Later
from workbench.wire.usage import Usage


class Measured(Protocol):
    """A question, as admission sees it."""

    @property
    def most(self) -> Usage:
        """The most that it can use, output tokens aside: for the prompt, a token a byte."""

    @property
    def choices(self) -> int:
        """How many answers are asked for."""

    @property
    def output_limit(self) -> int | None:
        """Most output tokens of an answer, as the caller asked; 0 where there are none, None if nothing was said."""

    def with_output_limit(self, tokens: int) -> Self | None:
        """Return the same question with that limit for each answer; None where its protocol can't say it."""


class Counted(Measured, Protocol):
    """A question whose prompt can be looked at more closely, which takes longer."""

    @property
    def counted(self) -> Usage:
        """As `most`, but a token for each byte of the prompt's texts alone."""


class Lasting(Protocol):
    """A question that may begin work which is billed when it has ended."""

    @property
    def later(self) -> Later | None:
        """What is known of that work; None: there is none."""


class Sized(Protocol):
    """A question of which only the size is known."""

    @property
    def size(self) -> int:
        """Bytes of the request body."""


@dataclass(frozen=True, slots=True)
class BySize:
    """The measure of a question of which only the size is known."""

    most: Usage
    choices: int = 1
    output_limit: int | None = None

    def with_output_limit(self, tokens: int) -> Self | None:
        """Return None: nobody knows where its limit would stand."""
        return None


_BYTES_PER_TOKEN = 4
_USUAL_OUTPUT = 256
"""Output tokens that are expected of a call which names no limit."""


def expected_tokens(asked: Measured | BySize, most: Usage) -> int:
    """Return how many tokens are expected of a question; `most` is what it uses at most."""
    output = _USUAL_OUTPUT if asked.output_limit is None else min(asked.output_limit, _USUAL_OUTPUT)
    return most.input_tokens // _BYTES_PER_TOKEN + output * max(1, asked.choices)


def measure(question: Measured | Sized) -> Measured | BySize:
    """Return what is known of a question."""
    if hasattr(type(question), "most"):  # asked of the class: it takes time to tell
        return cast("Measured", question)
    return BySize(Usage(input_tokens=cast("Sized", question).size))


def counted(question: Measured | BySize) -> Usage:
    """Return the closest bound of what a question can use, output tokens aside."""
    return cast("Counted", question).counted if hasattr(type(question), "counted") else question.most


def uses_nothing(question: Measured | Sized) -> bool:
    """Tell whether nothing can be billed for a question, whatever its size."""
    return getattr(question, "uses_nothing", False) is True


def later(question: Measured | Sized) -> Later | None:
    """Return the work that a question begins and that is billed when it has ended."""
    return cast("Lasting", question).later if hasattr(type(question), "later") else None
