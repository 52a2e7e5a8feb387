"""Tables on a screen, and whole where they go to a file or another program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

_WHOLE = 10_000
"""Columns, where nobody looks at a screen."""


def print_table(table: RenderableType) -> None:
    """Print a table; on a screen it fits, elsewhere nothing of it is cut off."""
    from rich.console import Console

    Console(markup=False, width=None if sys.stdout.isatty() else _WHOLE).print(table)
