"""What a case came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Verdict:
    """One case on one model at one provider."""

    model: str
    """The name that callers use."""
    provider: str
    """The provider that was to answer; empty for cases that reach none."""
    case: str
    """Name of the case."""
    outcome: Outcome
    """How it went."""
    remark: str
    """What was seen, what was wrong, or why it was skipped."""
    seconds: float
    """How long it took."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class Failed(Exception):
    """A promise was not kept; the text says which, and what was seen instead."""


class Skipped(Exception):
    """The case can't be judged here; the text says why."""


def expect(promise: bool, otherwise: str) -> None:
    """Raise Failed with `otherwise` where a promise does not hold."""
    if not promise:
        raise Failed(otherwise)
