"""Ids of stored objects as callers see them: they hold the provider and its own id, sealed for one owner.

A seal is a keyed hash over owner, kind and content; it is also what the content is hidden by (after RFC 5297, SIV).
Whoever else presents an id, or a made-up one, learns nothing: both fail alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from workbench.errors import NotFound

_SEAL_BYTES = 16
_LONGEST = 1000
_MARK = "wb"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is."""

    provider: str
    """Name of the provider in the configuration."""
    id: str
    """The provider's own id."""


class SignedIds:
    """Seals and opens ids with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._seals = hmac.digest(secret, b"seal", "sha256")
        self._hides = hmac.digest(secret, b"hide", "sha256")

    def sealed(self, place: Place, *, prefix: str, owner: str) -> str:
        """Return the id of an object as its owner sees it: always the same."""
        content = f"{place.provider}\n{place.id}".encode()
        seal = self._seal(prefix, owner, content)
        text = base64.urlsafe_b64encode(seal + self._hidden(seal, content)).decode().rstrip("=")
        return f"{prefix}{_MARK}{text}"

    def opened(self, presented: str, *, prefix: str, owner: str) -> Place:
        """Return where an object is; raises NotFound for any id that was not sealed for this owner."""
        start = prefix + _MARK
        if len(presented) <= _LONGEST and presented.startswith(start) and presented.isascii():
            text = presented[len(start) :]
            try:
                raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            except (binascii.Error, ValueError):
                raw = b""
            if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
                raw = b""  # its last letter has bits that say nothing: one object has one id
            seal = raw[:_SEAL_BYTES]
            content = self._hidden(seal, raw[_SEAL_BYTES:])
            if len(seal) == _SEAL_BYTES and hmac.compare_digest(seal, self._seal(prefix, owner, content)):
                provider, _, upstream = content.decode().partition("\n")
                return Place(provider, upstream)
        raise unknown(presented)

    def _seal(self, prefix: str, owner: str, content: bytes) -> bytes:
        told = b"\x00".join((prefix.encode(), owner.encode(), content))
        return hmac.digest(self._seals, told, "sha256")[:_SEAL_BYTES]

    def _hidden(self, seal: bytes, content: bytes) -> bytes:
        if not content:
            return b""
        stream = hashlib.shake_256(self._hides + seal).digest(len(content))
        return bytes(one ^ other for one, other in zip(content, stream, strict=True))


def unknown(presented: str) -> NotFound:
    """Return what is said of an id that is not the caller's, whatever it is."""
    return NotFound(
        f"There is no {presented[:200]!r} of yours.",
        hint="Ids are those that this gateway gave to your use case, or to you.",
    )
