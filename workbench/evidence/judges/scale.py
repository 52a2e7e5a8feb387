"""What a judge may answer: a number on a scale, or one of a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidInput
from workbench.evidence.judges.conversation import object_schema

_WIDEST_LIST = 21


@dataclass(frozen=True)
class Scale:
    """The figures that there can be."""

    low: float
    """The worst."""
    high: float
    """The best."""
    whole: bool = False
    """Whether only whole numbers are figures."""
    choices: Mapping[str, float] = field(default_factory=dict)
    """Words and their figures; empty for a scale of numbers."""

    @classmethod
    def of(cls, scale: tuple[float, float], choices: Mapping[str, float] | Sequence[str] | None) -> Scale:
        """Read what was given: whole numbers where both ends are ints; words alone go from worst (0) to best (1)."""
        if choices is None:
            made = cls(*scale, whole=all(isinstance(end, int) for end in scale))
        else:
            words = list(choices)
            if isinstance(choices, str) or len(set(words)) < max(2, len(words)):
                raise InvalidInput("A judge picks one of two words or more, each given once.", hint="Worst to best.")
            even = {word: place / (len(words) - 1) for place, word in enumerate(words)}
            figures = {w: float(f) for w, f in choices.items()} if isinstance(choices, Mapping) else even
            made = cls(min(figures.values()), max(figures.values()), choices=figures)
        if not made.low < made.high:
            raise InvalidInput(f"No score lies between {made.low} and {made.high}.", hint="scale=(1, 5) is usual.")
        return made

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        if self.choices:
            return object_schema("choice", {"type": "string", "enum": list(self.choices)})
        if self.whole and self.high - self.low < _WIDEST_LIST:
            return object_schema("score", {"type": "integer", "enum": list(range(int(self.low), int(self.high) + 1))})
        kind = "integer" if self.whole else "number"
        return object_schema("score", {"type": kind, "minimum": self.low, "maximum": self.high})

    def __str__(self) -> str:
        if self.choices:
            return f'"choice": one of {", ".join(map(repr, self.choices))}'
        return f'"score": a {"whole " if self.whole else ""}number from {self.low:g} (worst) to {self.high:g} (best)'

    def read(self, found: Mapping[str, Any]) -> float:
        """Return the figure of an answer; raises ValueError with the reason where there is none."""
        value = found.get("choice" if self.choices else "score")
        if self.choices:
            if not isinstance(value, str) or value not in self.choices:
                raise ValueError(f"'choice' is {value!r}, not one of {', '.join(map(repr, self.choices))}")
            return self.choices[value]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise ValueError(f"'score' is {value!r}, not a number from {self.low:g} to {self.high:g}")
        if self.whole and value != int(value):
            raise ValueError(f"'score' is {value!r}, not a whole number")
        return float(value)

    def as_list(self) -> list[Any]:
        """Return it as JSON values."""
        return list(self.choices.items()) if self.choices else [self.low, self.high, self.whole]
