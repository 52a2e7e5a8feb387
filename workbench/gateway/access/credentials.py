"""Where a request carries its key: the header that each SDK uses."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.keys import Key, KeyTable

_KEY_HEADERS = (b"x-api-key", b"api-key")


def presented(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key or token that a request carries, None where there is none."""
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, text = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and text.strip():
            return text.strip().decode("latin-1")
    for name in _KEY_HEADERS:
        if value := headers.get(name):
            return value.strip().decode("latin-1")
    return None


def checked(text: str | None, keys: KeyTable) -> Key:
    """Return the key behind what was presented; raises AuthenticationFailed for nothing, or for no good key."""
    return keys.check(_some(text))


def key_of(headers: Mapping[bytes, bytes], keys: KeyTable) -> Key:
    """Return the key that makes a request."""
    return checked(presented(headers), keys)


def some(headers: Mapping[bytes, bytes]) -> str:
    """Return the key or token that a request carries; raises AuthenticationFailed where there is none."""
    return _some(presented(headers))


def _some(text: str | None) -> str:
    if not text:
        raise AuthenticationFailed(
            "No key was sent.",
            hint="Send `Authorization: Bearer wbx-...`; `workbench keys issue` gives a key.",
            code="missing_key",
        )
    return text
