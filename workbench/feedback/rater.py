"""Who rates where nobody says so: the user of this machine, in the notebook and in the app alike."""

from __future__ import annotations

from workbench.settings.user import user_name


def local_rater() -> str:
    """Return the name of the user whose process this is."""
    return user_name("rater")
