"""Who rates where nobody says so: the user of this machine, in the notebook and in the app alike."""

from __future__ import annotations

import getpass


def local_rater() -> str:
    """Return the name of the user whose process this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account for this user id, as in some containers
        return "rater"
