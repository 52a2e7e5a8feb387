"""By which token this process tells a gateway who it is, and what to do where the gateway refuses it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import AuthenticationFailed

IDENTITY = "WORKBENCH_IDENTITY_TOKEN"
IDENTITY_FILE = "WORKBENCH_IDENTITY_TOKEN_FILE"
HUB_TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
"""The token that JupyterHub gives a single-user server, and the name that it had before."""
_LONGEST = 64 * 1024  # characters


@dataclass(frozen=True)
class IdentityToken:
    """A token that shows who somebody is."""

    text: str = field(repr=False)
    """The token itself."""
    way_out: str
    """What to do where a gateway refuses it."""
    renewed_in_place: bool = False
    """Whether another one may stand there later."""


def found_identity(environ: Mapping[str, str] | None = None) -> IdentityToken | None:
    """Return the token that the environment names, or None; a file is read anew at each call.

    `WORKBENCH_IDENTITY_TOKEN` counts first, then the file that `WORKBENCH_IDENTITY_TOKEN_FILE` names; both are meant
    for the gateway. Then comes the token that JupyterHub gives a server. Raises AuthenticationFailed for a file that
    can't be read or holds no token: a file that was named is never passed over.
    """
    environ = os.environ if environ is None else environ
    if text := environ.get(IDENTITY):
        return IdentityToken(
            text,
            f"Set {IDENTITY} anew where this was started; {IDENTITY_FILE} names a file that is read anew.",
        )
    if named := environ.get(IDENTITY_FILE):
        return _in_file(Path(named).expanduser())
    if text := environ.get(HUB_TOKENS[0]):
        return IdentityToken(
            text,
            "It is JupyterHub's: stop your server in the Hub's control panel and start it again. Where that does not "
            "help, the admin must look whether [identity.jupyterhub] url of the gateway is this Hub.",
        )
    return None


def identity_token(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the text of `found_identity`, or None."""
    found = found_identity(environ)
    return found.text if found else None


def _in_file(path: Path) -> IdentityToken:
    way_out = f"Whoever writes {path} ({IDENTITY_FILE}) must put a new token there; it is then taken by itself."
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise AuthenticationFailed(
            f"The identity token in {path} can't be read: {reason}.", hint=way_out, code="missing_key"
        ) from error
    # What has more than one word would not go into a header, and what went wrong with a file is often a page of text.
    if not text or len(text) > _LONGEST or len(text.split()) > 1:
        raise AuthenticationFailed(f"{path} holds no identity token.", hint=way_out, code="missing_key")
    return IdentityToken(text, way_out, renewed_in_place=True)
