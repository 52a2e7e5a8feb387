"""Who administers the gateway: an identity, never a gateway key, whatever that key may do."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import PermissionDenied
from workbench.gateway.access.credentials import reader_of
from workbench.gateway.access.identity import Identity, Owner
from workbench.gateway.access.keys import Key, KeyTable


def administrator(headers: Mapping[bytes, bytes], keys: KeyTable, owner: Owner) -> Identity:
    """Return the admin that makes a request; raises AuthenticationFailed, or PermissionDenied for a gateway key."""
    reader = reader_of(headers, keys, owner)
    if isinstance(reader, Key):
        raise PermissionDenied(
            f"Key {reader.id} makes calls; administration needs an identity.",
            hint="Send `Authorization: Bearer <token>` with the token in owner.token.",
        )
    return reader
