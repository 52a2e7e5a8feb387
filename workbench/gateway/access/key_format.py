"""How the gateway keeps a key; what one looks like is told in `workbench.wire.key_format`."""

from __future__ import annotations

import hashlib

from workbench.wire.key_format import KEY_PREFIXES, OWNER_PREFIX, PREFIXES, KeyKind, new_secret, well_formed

__all__ = ["KEY_PREFIXES", "OWNER_PREFIX", "PREFIXES", "KeyKind", "digest", "new_secret", "well_formed"]


def digest(text: str) -> bytes:
    """Return what is kept of a key: its SHA-256. With 256 random bits no salt and no slow hash is needed."""
    return hashlib.sha256(text.encode()).digest()
