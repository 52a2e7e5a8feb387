"""Whom this process serves: as `[app]` says, or raters alone."""

from __future__ import annotations

from functools import lru_cache

from workbench.settings import load_settings
from workbench.settings.app import AppSettings


class _Audience:
    raters_only = False


def serve_raters_only() -> None:
    """Serve nobody but who comes by a link, whatever the settings say."""
    _Audience.raters_only = True
    app_settings.cache_clear()


@lru_cache(maxsize=1)
def app_settings() -> AppSettings:
    """Return `[app]`, as it was when the app started."""
    found = load_settings(credentials=False).app
    return found.model_copy(update={"visitors": "raters", "user_header": None}) if _Audience.raters_only else found
