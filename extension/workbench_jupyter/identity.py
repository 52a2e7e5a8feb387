"""How a kernel shows who its user is, for what a key has no right to, as promoting a prompt.

A token that stands in the server's environment is kept in a private file, whose path the kernel gets instead: a
notebook that prints its environment saves no token. It loads pydantic: import it in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from workbench.settings import found_identity
from workbench.settings.own_identity import IDENTITY, IDENTITY_FILE
from workbench.wire.key_file import write_private

_NAME = "identity.token"
_log = logging.getLogger(__name__)


def identity_variables(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return how a kernel that would start with `environ` finds the identity, kept below `folder` where need be."""
    if environ.get(IDENTITY_FILE) and not environ.get(IDENTITY):
        return {}  # the file is the admin's, and the kernel inherits its path
    found = found_identity(environ)
    if found is None:
        return {}
    try:
        write_private(folder / _NAME, found.text)
    except OSError as error:
        _log.warning("Kernels can't show who their user is: %s", error)
        return {}
    return {IDENTITY_FILE: str(folder / _NAME)}
