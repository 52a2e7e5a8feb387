"""The optional packages of this room, loaded where they are used; a missing one says how to get it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workbench.errors import MissingComponent


def need(module: str, *, extra: str = "rag") -> Any:
    """Return the module, or raise MissingComponent with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingComponent(
            f"The package {module!r} is not installed.", hint=f"pip install 'genai-workbench[{extra}]'"
        ) from error
