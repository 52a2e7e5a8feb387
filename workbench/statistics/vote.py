"""One preference vote: which of two candidates did better, who said so, and which one stood on the left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote on a pair of candidates."""

    a: str
    """Name of one candidate."""
    b: str
    """Name of the other."""
    outcome: Literal["a", "b", "tie"]
    """Which of the two is better."""
    rater: str | None = None
    """Who voted; None is a rater of their own."""
    left: Literal["a", "b"] | None = None
    """Which of the two stood on the left (or came first); None where nobody knows."""
    item: str | None = None
    """The example that both answered."""

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise InvalidInput(f"A vote compares two candidates, not {self.a!r} with itself.")
        if self.outcome not in ("a", "b", "tie"):
            raise InvalidInput(f"A vote's outcome is 'a', 'b' or 'tie', not {self.outcome!r}.", param="outcome")
        if self.left not in ("a", "b", None):
            raise InvalidInput(f"A vote's left side is 'a', 'b' or None, not {self.left!r}.", param="left")
