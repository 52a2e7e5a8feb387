"""Who makes a request that needs an identity, and whether they may: such routes ask here for the role they need."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import PermissionDenied
from workbench.gateway.access.credentials import identity_of
from workbench.gateway.access.identity import Identity, Owner


class Identities:
    """All who can vouch for somebody."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def of(self, headers: Mapping[bytes, bytes], *, role: str = "user") -> Identity:
        """Return the identity that makes a request.

        Raises AuthenticationFailed for nobody's token, PermissionDenied without the role.
        """
        identity = identity_of(headers, self._owner)
        if role not in identity.roles:
            raise PermissionDenied(
                f"{identity.name} is no {role}; this needs one.", hint="The admin gives roles: [identity] in the file."
            )
        return identity
