"""Where a request carries its key: the header that each SDK uses."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.identity import Identity, Owner
from workbench.gateway.access.keys import Key, KeyTable

_KEY_HEADERS = (b"x-api-key", b"api-key")


def presented(headers: Mapping[bytes, bytes]) -> str:
    """Return the key or token that a request carries; raises AuthenticationFailed where there is none."""
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, text = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and text.strip():
            return text.strip().decode("latin-1")
    for name in _KEY_HEADERS:
        if value := headers.get(name):
            return value.strip().decode("latin-1")
    raise AuthenticationFailed(
        "No key was sent.",
        hint="Send `Authorization: Bearer wbx-...`; `workbench keys issue` gives a key.",
        code="missing_key",
    )


def key_of(headers: Mapping[bytes, bytes], keys: KeyTable) -> Key:
    """Return the key that makes a request."""
    return keys.check(presented(headers))


def identity_of(headers: Mapping[bytes, bytes], owner: Owner) -> Identity:
    """Return the identity that makes a request."""
    return owner.check(presented(headers))


def reader_of(headers: Mapping[bytes, bytes], keys: KeyTable, owner: Owner) -> Key | Identity:
    """Return whoever makes a request that a key and an identity may make alike."""
    text = presented(headers)
    return owner.check(text) if text.startswith("wbo-") else keys.check(text)
