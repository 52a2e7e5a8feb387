"""Whose process this is, by the name that the machine knows."""

from __future__ import annotations

import getpass


def user_name(otherwise: str) -> str:
    """Return the name of the user, or `otherwise` where there is no account for it, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return otherwise
