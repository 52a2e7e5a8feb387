"""Issue and revoke keys: in memory first, so that it takes effect at once, and on disk before it is told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from workbench.errors import InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.key_format import PREFIXES, digest, new_secret
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key, KeyTable
from workbench.settings import ExplorationPolicy

_DAY = 86400


class ExplorationWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /keys/exploration`."""

    note: str = ""
    expires_in: int | None = None
    lease: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, with the secret that is told once."""

    key: Key
    """What is kept of it."""
    secret: str
    """The key itself."""


class Issuer:
    """Makes keys within the policy and ends them."""

    def __init__(
        self, *, keys: KeyTable, store: KeyStore, policy: ExplorationPolicy, revoked: Callable[[Key], None]
    ) -> None:
        self._keys = keys
        self._store = store
        self._policy = policy
        self._revoked = revoked

    async def exploration(self, wish: ExplorationWish, owner: Identity) -> Issued:
        """Issue an exploration key; raises InvalidInput where the wish is over the policy."""
        longest = self._policy.expires_in
        life = min(_DAY, longest) if wish.expires_in is None else wish.expires_in
        if not 1 <= life <= longest:
            raise InvalidInput(
                f"expires_in is {life}; expected 1 to {longest} seconds.",
                hint="[policy.exploration] expires_in sets the longest life.",
                param="expires_in",
            )
        if len(wish.note) > 200:
            raise InvalidInput("note is over 200 characters.", hint="Shorten it.", param="note")
        if wish.lease is not None and not (1 <= len(wish.lease) <= 64 and wish.lease.isalnum()):
            raise InvalidInput("lease is not a lease id.", hint="Send the random hex of the lease file.", param="lease")
        secret = new_secret(PREFIXES["exploration"])
        now = self._keys.now()
        key = Key(
            id=f"key_{secrets.token_hex(8)}",
            hash=digest(secret),
            kind="exploration",
            owner=owner.name,
            note=wish.note,
            created_at=now,
            expires_at=now + life,
            lease=wish.lease,
        )
        await asyncio.to_thread(self._store.add, key)
        self._keys.put(key)
        return Issued(key, secret)

    async def revoke(self, key_id: str, owner: Identity) -> Key:
        """End a key of `owner` now, its calls in flight too; raises NotFound for any other key."""
        key = self._keys.get(key_id)
        if key is None or key.owner != owner.name:
            raise NotFound(f"No key {key_id!r} of yours.", hint="`workbench keys list` shows them.")
        return (await self.revoke_all([key]))[0]

    async def revoke_all(self, keys: Iterable[Key]) -> list[Key]:
        """End keys now, whoever owns them."""
        ended = [self._keys.revoke(key.id) for key in keys]
        for key in ended:
            self._revoked(key)
        if ended:
            await asyncio.to_thread(self._store.revoke, ended)
        return ended
