"""Who makes a request that needs an identity, and whether they may: such routes ask here for the role they need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from workbench.errors import AuthenticationFailed, PermissionDenied
from workbench.gateway.access.credentials import presented, some
from workbench.gateway.access.identity import Identity, Owner
from workbench.gateway.access.key_format import OWNER_PREFIX, PREFIXES
from workbench.gateway.access.keys import Key, KeyTable, UnknownKey
from workbench.gateway.access.roles import RoleTable
from workbench.gateway.access.sources.jupyterhub import JupyterHub
from workbench.gateway.access.sources.oidc import Oidc, looks_like_token

if TYPE_CHECKING:
    from workbench.settings import IdentitySettings

_KEYS = tuple(PREFIXES.values())
_NEVER_A_KEYS = frozenset({"reviewer", "admin"})
"""Roles for which a good key is told 403, not 401: its holder is known, and may not all the same."""


class Identities:
    """All who can vouch for somebody."""

    def __init__(
        self,
        settings: IdentitySettings,
        *,
        owner: Owner,
        keys: KeyTable,
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Ask whom `settings` names; `look` is called for a key that may have been issued elsewhere just now."""
        self.roles = RoleTable(settings)
        """Which roles somebody has."""
        self._owner = owner if settings.takes_owner else None
        self._keys = keys
        self._look = look
        self._hub = None if settings.jupyterhub is None else JupyterHub(settings.jupyterhub, self.roles)
        self._oidc = None if settings.oidc is None else Oidc(settings.oidc, self.roles, now=keys.now)

    async def of(self, headers: Mapping[bytes, bytes], *, role: str = "user") -> Identity:
        """Return the identity that makes a request.

        Raises AuthenticationFailed for nobody's token, PermissionDenied without the role, Unavailable where whoever
        could vouch gives no word.
        """
        text = presented(headers)
        if not text:
            raise AuthenticationFailed("No token was sent.", hint=self._way_in(), code="missing_key")
        if text.startswith(_KEYS) and role in _NEVER_A_KEYS:
            key = await self._key(text)
            raise PermissionDenied(
                f"Key {key.id} makes calls; this needs an identity with the role {role!r}.", hint=self._way_in()
            )
        identity = await self._vouched(text)
        if role not in identity.roles:
            raise PermissionDenied(
                f"{identity.name} is no {role}; this needs one.",
                hint=f"The admin gives roles: [identity.roles.{role}] in the file.",
            )
        return identity

    async def reader(self, headers: Mapping[bytes, bytes]) -> Key | Identity:
        """Return whoever makes a request that a key and an identity may make alike."""
        text = some(headers)
        if text.startswith(_KEYS) or not (text.startswith(OWNER_PREFIX) or self._hub or self._oidc):
            return await self._key(text)
        return await self._vouched(text)

    async def key(self, headers: Mapping[bytes, bytes]) -> Key:
        """Return the key that makes a request; raises AuthenticationFailed for an identity, too."""
        return await self._key(some(headers))

    async def _key(self, text: str) -> Key:
        try:
            return self._keys.check(text)
        except UnknownKey:
            if self._look is None:
                raise
            await self._look()
            return self._keys.check(text)

    async def close(self) -> None:
        """Close the connections to those who vouch."""
        await asyncio.gather(*(source.close() for source in (self._hub, self._oidc) if source is not None))

    async def _vouched(self, text: str) -> Identity:
        if text.startswith(_KEYS):
            raise AuthenticationFailed("A gateway key makes calls; this needs an identity.", hint=self._way_in())
        if text.startswith(OWNER_PREFIX):
            if self._owner is None:
                raise AuthenticationFailed(
                    "The local owner's token does not count at this gateway.", hint=self._way_in()
                )
            return self._owner.check(text)
        if self._oidc is not None and looks_like_token(text):
            return await self._oidc.check(text)
        if self._hub is not None:
            return await self._hub.check(text)
        raise AuthenticationFailed("This is nobody's token.", hint=self._way_in())

    def _way_in(self) -> str:
        ways = [
            "the token in owner.token" if self._owner else "",
            "your JupyterHub token" if self._hub else "",
            "a token of the OpenID Connect issuer" if self._oidc else "",
        ]
        return f"Send `Authorization: Bearer <token>` with {' or '.join(filter(None, ways))}."
