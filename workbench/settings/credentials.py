"""Get the secret that a reference names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from workbench.errors import MissingComponent
from workbench.settings.credential import Credential


def resolve_credential(credential: Credential, *, folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret that an `env` or `file` reference names; raises MissingComponent if it is not there."""
    secret, source = look_up(credential, folder=folder, environ=os.environ if environ is None else environ)
    if not secret:
        raise MissingComponent(f"The credential {source} is missing or empty.", hint=f"Set {source}.")
    return secret


def look_up(credential: Credential, *, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the secret, empty if it is not there, and what to call its place."""
    if credential.env is not None:
        return environ.get(credential.env, "").strip(), f"environment variable {credential.env}"
    path = folder / Path(credential.file or "").expanduser()
    try:
        return path.read_text("utf-8").strip(), f"file {path}"
    except (OSError, UnicodeDecodeError):
        return "", f"file {path}"
