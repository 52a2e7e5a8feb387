"""What a reference is: it stands in a kernel's variables in the place of its key, and counts at the relay alone."""

from __future__ import annotations

import re
import secrets
import string
from pathlib import Path

from workbench.wire.key_file import write_private

PREFIX = "wbr-"
PATTERN = re.compile(rb"wbr-[0-9A-Za-z]{43}")
"""What a reference looks like: 256 random bits in base62."""
SUFFIX = ".reference"
"""How the file ends that holds it, after the key file's name."""
_BASE62 = string.digits + string.ascii_letters


def new_reference() -> str:
    """Return a reference that nobody has seen."""
    return PREFIX + "".join(secrets.choice(_BASE62) for _ in range(43))


def reference_file(key_file: Path) -> Path:
    """Return where the reference to a key file stands."""
    return key_file.with_name(key_file.name + SUFFIX)


def write_reference(key_file: Path, reference: str) -> None:
    """Let a reference lead to a key file, in the place of the one that did so before."""
    write_private(reference_file(key_file), reference, synced=False)
