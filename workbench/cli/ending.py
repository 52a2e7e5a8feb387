"""How the process of a command ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

_at_once = False


def at_once() -> None:
    """Let the process end as soon as its command has: it has read with Arrow, whose threads may bring an exit down."""
    global _at_once  # noqa: PLW0603 - there is one process, and one end of it
    _at_once = True


def run() -> NoReturn:
    """Run the command line; its exit code is the process's."""
    from workbench.cli import main

    try:
        main(prog_name="workbench")
    except SystemExit as end:
        if _at_once and isinstance(end.code, int | None):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code or 0)
        raise
    sys.exit(0)
