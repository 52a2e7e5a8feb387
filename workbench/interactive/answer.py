"""An answer that stands in the cell's output already, as it is returned; and the last one of the session."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from workbench.client.results import ChatResult
from workbench.errors import NotFound

if TYPE_CHECKING:
    from workbench.interactive.side_by_side import SideBySide

_LAST: list[Any] = []


@dataclass(frozen=True, repr=False)
class ShownAnswer(ChatResult):
    """A ChatResult whose text was streamed into the cell, so that showing it again shows only what it took."""

    interrupted: bool = False
    """Whether it was stopped; `text` is what had come."""

    @classmethod
    def of(cls, answer: ChatResult) -> ShownAnswer:
        """Return an answer as one that is shown."""
        return cls(**{field.name: getattr(answer, field.name) for field in fields(ChatResult)})

    @property
    def facts(self) -> str:
        """What it took, in words."""
        return f"interrupted after {len(self.text)} characters" if self.interrupted else super().facts

    def _repr_html_(self) -> str:
        return self._below()


def keep(answer: ShownAnswer | SideBySide) -> None:
    """Keep an answer as the last one."""
    _LAST[:] = [answer]


def last() -> ShownAnswer | SideBySide:
    """Return what `wb.chat` or `%%prompt` showed last; an interrupted answer holds what had come.

    Raises NotFound where nothing was asked yet.
    """
    if not _LAST:
        raise NotFound("Nothing was asked in this session yet.", hint='Ask: wb.chat("Say hello").')
    answer: ShownAnswer | SideBySide = _LAST[0]
    return answer
