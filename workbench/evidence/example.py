"""One example: what goes in, and what should come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.evidence.canonical import content_hash, plain

Expected = Mapping[str, Any] | str | None


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a dataset."""

    id: str
    """Its name, unique in the dataset and the same from run to run."""
    inputs: Mapping[str, Any]
    """Variables of the prompt, or arguments of a callable; JSON values."""
    expected: Expected = None
    """The right answer: a text, named parts of it, or None where there is none."""
    inputs_hash: str = field(init=False, repr=False, compare=False, default="")
    """sha256 of the inputs: what an answer depends on, whatever is expected of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", plain(self.inputs, where=f"{self.id}: inputs"))
        object.__setattr__(self, "expected", plain(self.expected, where=f"{self.id}: expected"))
        object.__setattr__(self, "inputs_hash", content_hash(self.inputs))

    def expected_text(self, key: str | None = None) -> str | None:
        """Return the expected text, or one named part of it; None if there is none."""
        found = self.expected
        if isinstance(found, Mapping):
            found = found.get(key) if key is not None else None
        elif key is not None:
            found = None
        return None if found is None else str(found)
