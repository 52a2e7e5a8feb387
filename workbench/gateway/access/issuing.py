"""Issue, change and revoke keys: an end holds in memory at once, and everything is on disk before it is told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec

from workbench.errors import Conflict, InvalidInput, NotFound, Unavailable
from workbench.gateway.access.features import FEATURES
from workbench.gateway.access.granted import Granted
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.key_format import PREFIXES, KeyKind, digest, new_secret
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.access.use_cases import UseCaseTable
from workbench.settings import ExplorationPolicy

_log = logging.getLogger("workbench.gateway.access")

_DAY = 86400
_LONGEST_LIFE = 100 * 366 * _DAY
_LONGEST_NOTE = 200
_LONGEST_OVERLAP = 30 * _DAY
_TICK = 1e-3
"""Seconds between two keys of one line, at least."""

_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Patterns = Annotated[list[_Line], msgspec.Meta(max_length=1000)]
_Note = Annotated[str, msgspec.Meta(max_length=_LONGEST_NOTE, pattern=r"^[^\x00]*$")]


class ExplorationWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /keys/exploration`."""

    note: str = ""
    expires_in: int | None = None
    lease: str | None = None


class ScopesWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scopes as an admin writes them; what is left out is everything."""

    models: _Patterns | None = None
    providers: _Patterns | None = None
    paths: _Patterns | None = None
    features: _Patterns | None = None

    def scopes(self) -> Scopes:
        """Return the scopes; raises InvalidInput for a pattern that nothing can ever fit."""
        for feature in self.features or ():
            if not any(fnmatchcase(name, feature) for name in FEATURES):
                known = ", ".join(FEATURES)
                raise InvalidInput(
                    f"No feature is called {feature[:40]!r}.", hint=f"Known: {known}.", param="scopes.features"
                )
        for path in self.paths or ():
            if path[0] not in "/*?[":
                raise InvalidInput(
                    f"No path begins as {path[:100]!r} does.", hint=f"Write '/{path[:100]}'.", param="scopes.paths"
                )
        given = {
            name: tuple(patterns) for name, patterns in msgspec.structs.asdict(self).items() if patterns is not None
        }
        return Scopes(**given)


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /admin/v1/keys`. What is left out is unset: no end, no limit, no budget, every scope."""

    kind: KeyKind
    owner: _Line | None = None
    use_case: _Line | None = None
    note: _Note = ""
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST_LIFE)] | None = None
    scopes: ScopesWish | None = None
    limits: Limits | None = None
    budget: Budget | None = None


class RotationWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST .../keys/{id}/rotate`."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_OVERLAP)] = 600
    """How long the old key goes on; 0 ends it at once, its calls in flight too."""


class KeyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PATCH /admin/v1/keys/{id}`. What is given replaces what was there, whole; null unsets it.

    A budget lets a key go on that was stopped.
    """

    note: _Note | msgspec.UnsetType = msgspec.UNSET
    scopes: ScopesWish | msgspec.UnsetType | None = msgspec.UNSET
    limits: Limits | msgspec.UnsetType | None = msgspec.UNSET
    budget: Budget | msgspec.UnsetType | None = msgspec.UNSET

    def apply(self, key: Key) -> Key:
        """Return the key as it is to be."""
        fields: dict[str, Any] = {}
        if self.note is not msgspec.UNSET:
            fields["note"] = self.note
        if self.scopes is not msgspec.UNSET:
            fields["scopes"] = (self.scopes or ScopesWish()).scopes()
        if self.limits is not msgspec.UNSET:
            fields["limits"] = self.limits or NO_LIMITS
        if self.budget is not msgspec.UNSET:
            fields |= {"budget": self.budget or NO_BUDGET, "stopped": None}
        return replace(key, **fields)


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
        self,
        *,
        keys: KeyTable,
        store: KeyStore,
        policy: ExplorationPolicy,
        revoked: Callable[[Key], None],
        shared: bool = False,
        use_cases: UseCaseTable | None = None,
        reviewed: bool = False,
    ) -> None:
        """Keep keys in `keys` and `store`; `revoked` hears of each end.

        Where the gateway is `shared`, the strict limits hold that the policy does not name; where use cases are
        `reviewed`, production keys are for approved ones only.
        """
        self._keys = keys
        self._store = store
        self._policy = policy
        self._revoked = revoked
        self._granted = Granted.by(policy, shared=shared)
        self._use_cases = use_cases or UseCaseTable()
        self._reviewed = reviewed
        self._keeping: set[asyncio.Future[None]] = set()

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
        if len(wish.note) > _LONGEST_NOTE:
            raise InvalidInput(f"note is over {_LONGEST_NOTE} characters.", hint="Shorten it.", param="note")
        if wish.lease is not None and not (1 <= len(wish.lease) <= 64 and wish.lease.isalnum()):
            raise InvalidInput("lease is not a lease id.", hint="Send the random hex of the lease file.", param="lease")
        live = len({key.account for key in self._keys.live_of(owner.name) if key.kind == "exploration"})
        if live >= self._policy.most_live:
            raise Conflict(
                f"You have {live} live keys, which is the most that one person may have.",
                hint="`workbench keys list` shows them, `workbench keys revoke ID` ends one.",
                code="too_many_keys",
            )
        granted = self._granted
        return await self._issue(
            "exploration",
            life,
            owner=owner.name,
            note=wish.note,
            lease=wish.lease,
            scopes=granted.scopes,
            limits=granted.limits,
            budget=granted.budget,
        )

    async def issue(self, wish: KeyWish, admin: Identity) -> Issued:
        """Issue a key of any kind; without an owner it is the admin's own.

        Raises NotFound, InvalidInput or Conflict for a production key of no use case that may have one.
        """
        self._check_use_case(wish)
        return await self._issue(
            wish.kind,
            wish.expires_in,
            owner=wish.owner or admin.name,
            use_case=wish.use_case,
            note=wish.note,
            scopes=(wish.scopes or ScopesWish()).scopes(),
            limits=wish.limits or NO_LIMITS,
            budget=wish.budget or NO_BUDGET,
        )

    def _check_use_case(self, wish: KeyWish) -> None:
        use_case = self._use_cases.get(wish.use_case)
        if use_case is not None and use_case.retired:
            raise Conflict(f"Use case {use_case.name!r} is retired.", hint="Draft and submit another.", code="retired")
        if self._reviewed and wish.kind == "production" and use_case is None:
            if wish.use_case is None:
                raise InvalidInput("A production key belongs to a use case.", hint="Send `use_case`.", param="use_case")
            raise NotFound(
                f"No approved use case {wish.use_case!r}.", hint="Production keys are for those that were approved."
            )

    async def rotate(self, key_id: str, wish: RotationWish, *, owner: Identity | None = None) -> Issued:
        """Issue a key in the place of another, which ends after the overlap.

        With the same scopes and as long a life; both are held to the limits and the budget of their line together.
        Raises NotFound, for a key that is not `owner`'s too, and Conflict for one that is dead.
        """
        old = await (self.find(key_id) if owner is None else self.own(key_id, owner))
        now = self._keys.now()
        if old.dead_since(now) is not None:
            raise Conflict(f"Key {key_id} is revoked or expired.", hint="Issue another.")
        newest = next(reversed(self._keys.line(old.account)), old)  # its life was not cut short by a rotation
        life = None if newest.expires_at is None else newest.expires_at - newest.created_at
        secret = new_secret(PREFIXES[old.kind])
        new_id, new_hash = _new_id(), digest(secret)

        def turn(kept: Key) -> tuple[Key, Key]:
            last = now + wish.overlap_seconds
            ends = last if kept.expires_at is None else min(kept.expires_at, last)
            new = replace(
                kept,
                id=new_id,
                hash=new_hash,
                created_at=max(now, kept.created_at + _TICK),  # of a line the newest is the last, whose clock it is
                expires_at=None if life is None else now + life,
                rotated_from=kept.id,
            )
            return replace(kept, expires_at=ends, revoked_at=None if wish.overlap_seconds else now), new

        ended, new = await asyncio.to_thread(self._store.rotate, key_id, turn, now=now)
        self._keys.put(new)
        known = self._keys.get(old.id) or ended  # it may have been changed or revoked meanwhile, and stays so
        self._keys.put(replace(known, expires_at=ended.expires_at, revoked_at=known.revoked_at or ended.revoked_at))
        if ended.revoked_at is not None:
            self._revoked(ended)
        return Issued(new, secret)

    async def _issue(self, kind: KeyKind, life: int | None, **fields: Any) -> Issued:
        secret = new_secret(PREFIXES[kind])
        now = self._keys.now()
        key = Key(
            id=_new_id(),
            hash=digest(secret),
            kind=kind,
            created_at=now,
            expires_at=None if life is None else now + life,
            **fields,
        )
        await asyncio.to_thread(self._store.add, key)
        self._keys.put(key)
        return Issued(key, secret)

    async def change(self, key_id: str, change: KeyChange) -> Key:
        """Change what a live key may do, and what its whole line is held to.

        Of a dead key whose line goes on, the newest one is changed. Raises NotFound, or Conflict where none lives.
        """
        key = self._keys.get(key_id)
        if key is None or key.dead_since(self._keys.now()) is not None:
            head = self._keys.head(key_id)
            if head is None and key is None:
                raise _unknown(key_id)
            if head is None:
                raise Conflict(f"Key {key_id} is revoked or expired.", hint="Issue another.")
            key = head
        kept = await asyncio.to_thread(self._store.change, key.id, change.apply)
        known = self._keys.get(key.id) or key  # it may have been revoked or stopped meanwhile, and stays so
        changed = replace(
            kept or change.apply(known), revoked_at=known.revoked_at or (None if kept is None else kept.revoked_at)
        )
        if change.budget is msgspec.UNSET and known.stopped is not None:
            changed = replace(changed, stopped=known.stopped)
        self._keys.put(changed)
        self._keys.put_alike(changed)
        return changed

    def stop(self, key_id: str, reason: str) -> None:
        """Note that a key and its line are stopped until the admin lets them go on; it is on disk soon."""
        key = self._keys.get(key_id)
        if key is not None:
            stopped = replace(key, stopped=reason)
            self._keys.put(stopped)
            self._keys.put_alike(stopped)
            keeping = asyncio.ensure_future(self._keep(stopped))
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)

    async def _keep(self, key: Key) -> None:
        try:
            await asyncio.to_thread(self._store.change, key.id, lambda kept: replace(kept, stopped=key.stopped))
        except Unavailable as error:
            _log.error("that key %s is stopped is not kept over a restart: %s", key.id, error)

    async def find(self, key_id: str) -> Key:
        """Return a key, however long it is dead; raises NotFound."""
        key = self._keys.get(key_id) or await asyncio.to_thread(self._store.get, key_id)
        if key is None:
            raise _unknown(key_id)
        return key

    async def end(self, key_id: str) -> Key:
        """End a key now, whoever owns it, and those before it in its line, their calls in flight too.

        Raises NotFound.
        """
        return await self._end(await self.find(key_id))

    async def own(self, key_id: str, owner: Identity) -> Key:
        """Return a key of `owner`; raises NotFound for any other key."""
        key = self._keys.get(key_id) or await asyncio.to_thread(self._store.get, key_id)
        if key is None or key.owner != owner.name:
            raise _not_yours(key_id)
        return key

    async def revoke(self, key_id: str, owner: Identity) -> Key:
        """As `end`, for a key of `owner`; raises NotFound for any other key."""
        return await self._end(await self.own(key_id, owner))

    async def _end(self, key: Key) -> Key:
        """End a key and what lives of its line before it; what only other processes know of it, too."""
        now = self._keys.now()
        if self._keys.get(key.id) is None and key.dead_since(now) is not None:
            return key
        if key.revoked_at is None:
            key = replace(key, revoked_at=now)
        before = [
            one for one in self._keys.line(key.account) if one.created_at < key.created_at and not one.dead_since(now)
        ]
        for one in (key, *(replace(one, revoked_at=now) for one in before)):
            if self._keys.get(one.id) is not None:
                self._keys.put(one)
            self._revoked(one)
        for one in await asyncio.to_thread(self._store.revoke_line, key):
            if self._keys.get(one.id) is None:
                self._keys.put(one)
                self._revoked(one)
        return key

    async def revoke_all(self, keys: Iterable[Key]) -> list[Key]:
        """End keys now, whoever owns them."""
        ended = [self._keys.revoke(key.id) for key in keys]
        for key in ended:
            self._revoked(key)
        if ended:
            await asyncio.to_thread(self._store.revoke, ended)
        return ended


def _new_id() -> str:
    return f"key_{secrets.token_hex(8)}"


def _not_yours(key_id: str) -> NotFound:
    return NotFound(f"No key {key_id[:80]!r} of yours.", hint="`workbench keys list` shows them.")


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"No key {key_id[:80]!r}.", hint="`GET /admin/v1/keys` lists them.")
