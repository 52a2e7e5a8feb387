"""A text that grows in a cell's output, or on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from workbench.interactive.markdown import bundle

PAUSE = 0.1
"""Seconds between two updates of an output: a front end draws each of them anew."""


class Surface(Protocol):
    """Where a growing text is shown."""

    def add(self, piece: str) -> None:
        """Show some more text."""

    def end(self, note: str = "") -> None:
        """Show all of it, and a note in small letters below."""


class Output:
    """One output of the cell that runs, replaced as often as it changes, and kept as it was last."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the last update is long enough ago."""
        return time.monotonic() - self._shown_at >= PAUSE

    def show(self, content: Mapping[str, str]) -> None:
        """Show representations by their media types."""
        from IPython.display import display  # noqa: PLC0415 - only within IPython

        if self._handle is None:
            self._handle = display(dict(content), raw=True, display_id=True)
        else:
            self._handle.update(dict(content), raw=True)
        self._shown_at = time.monotonic()


class Growing:
    """Markdown that grows in the output of a cell."""

    def __init__(self) -> None:
        self._output = Output()
        self._text = ""

    def add(self, piece: str) -> None:
        """Show some more text, at most ten times a second."""
        self._text += piece
        if self._output.is_due:
            self._output.show(bundle(self._text))

    def end(self, note: str = "") -> None:
        """Show all of it as it is to be kept."""
        self._output.show(bundle(self._text, note=note))


class Printed:
    """Text that grows on a terminal."""

    def add(self, piece: str) -> None:
        """Print it."""
        sys.stdout.write(piece)
        sys.stdout.flush()

    def end(self, note: str = "") -> None:
        """Print the note, and end the line."""
        sys.stdout.write(f"\n[{note}]\n" if note else "\n")
        sys.stdout.flush()


def in_notebook() -> bool:
    """Return whether a front end shows outputs: IPython that runs in a terminal does not."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - it is loaded already

    return hasattr(get_ipython(), "kernel")


def surface() -> Surface:
    """Return where a growing text is to be shown."""
    return Growing() if in_notebook() else Printed()
