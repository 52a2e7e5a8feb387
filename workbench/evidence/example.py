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
    group: str | None = None
    """Whom or what it is about (a customer, a document), where several examples share it: they are then one cluster of
    an interval, and stay together in a split. None: it stands by itself."""
    source: Mapping[str, Any] | None = field(default=None, compare=False)
    """Where it came from, as JSON: a trace, a call, who corrected it. No part of any hash."""
    inputs_hash: str = field(init=False, repr=False, compare=False, default="")
    """sha256 of the inputs: what an answer depends on, whatever is expected of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", plain(self.inputs, where=f"{self.id}: inputs"))
        object.__setattr__(self, "expected", plain(self.expected, where=f"{self.id}: expected"))
        if self.source is not None:
            object.__setattr__(self, "source", plain(self.source, where=f"{self.id}: source"))
        object.__setattr__(self, "inputs_hash", content_hash(self.inputs))

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON; `Dataset.from_rows` reads it back."""
        row: dict[str, Any] = {"id": self.id, "inputs": self.inputs, "expected": self.expected}
        told = {"group": self.group, "source": self.source}
        return row | {key: value for key, value in told.items() if value is not None}

    def expected_text(self, key: str | None = None) -> str | None:
        """Return the expected text, or one named part of it; None if there is none."""
        found = self.expected
        if isinstance(found, Mapping):
            found = found.get(key) if key is not None else None
        elif key is not None:
            found = None
        return None if found is None else str(found)
