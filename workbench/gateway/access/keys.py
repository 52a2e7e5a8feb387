"""Keys in memory: whose a key is, and whether it is good now. No call waits for SQL to learn that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.key_format import KEY_PREFIXES, OWNER_PREFIX, KeyKind, digest, well_formed
from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.times import utc_text

REMEMBERED_SECONDS = 30 * 86400.0
"""How long a dead key is remembered; from then on it is like one that never was."""
REPLACED_SECONDS = 600.0
"""The same of a dead key whose place another has taken: its line may be rotated every few seconds, for weeks."""
_FEW = 1000
_MOST_DEAD = 10_000
_WAY_OUT = "Restart the kernel to have a new key mounted, or issue one with `workbench keys issue`."


@dataclass(frozen=True, slots=True)
class Key:
    """A gateway key; the secret itself is nowhere but with its holder."""

    id: str
    """Public name of the key, `key_...`."""
    hash: bytes
    """SHA-256 of the secret."""
    kind: KeyKind
    """What it may be used for."""
    owner: str
    """The identity that it was issued to."""
    note: str
    """What its owner wrote about it."""
    created_at: float
    """Seconds since the epoch."""
    expires_at: float | None
    """Seconds since the epoch; None: it has no end."""
    use_case: str | None = None
    """The use case that a production key belongs to."""
    lease: str | None = None
    """The user lease that it ends with."""
    rotated_from: str | None = None
    """The key whose place it took."""
    account: str = ""
    """Id of the first key of its line of rotated keys, its own in most cases: they share limits, budget and history."""
    scopes: Scopes = field(default_factory=Scopes)
    """What it may use."""
    limits: Limits = NO_LIMITS
    """How often and how much at once."""
    budget: Budget = NO_BUDGET
    """For how much money."""
    stopped: str | None = None
    """Code of what it was stopped for, until the admin lets it go on: `budget_overrun`."""
    revoked_at: float | None = None
    """Seconds since the epoch; None: it was not revoked."""

    def __post_init__(self) -> None:
        if not self.account:
            object.__setattr__(self, "account", self.id)

    def as_dict(self) -> dict[str, Any]:
        """Return what may be told of the key."""
        return {
            "id": self.id,
            "kind": self.kind,
            "owner": self.owner,
            "use_case": self.use_case,
            "note": self.note,
            "created_at": utc_text(self.created_at),
            "expires_at": None if self.expires_at is None else utc_text(self.expires_at),
            "revoked_at": None if self.revoked_at is None else utc_text(self.revoked_at),
            "scopes": self.scopes.as_dict(),
            "limits": msgspec.to_builtins(self.limits),
            "budget": msgspec.to_builtins(self.budget) or None,
            "stopped": self.stopped,
            "rotated_from": self.rotated_from,
            "account": self.account,
        }

    def dead_since(self, now: float) -> float | None:
        """Return since when the key makes no calls, None if it does."""
        ends = [end for end in (self.revoked_at, self.expires_at) if end is not None and end <= now]
        return min(ends, default=None)


class KeyTable:
    """The keys that the gateway knows: the live ones, and those that died lately, to be told why they are refused."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, Key] = {}
        self._by_id: dict[str, Key] = {}
        self._lines: dict[str, set[str]] = {}
        self._latest = 0.0
        self._prune_at = _FEW

    def put(self, key: Key) -> None:
        """Add or replace a key; where there are many, those that are long dead are forgotten."""
        self._by_hash[key.hash] = key
        self._by_id[key.id] = key
        line = self._lines.setdefault(key.account, set())
        line.add(key.id)
        if len(line) > 1:
            self._forget_replaced(key.account)
        if len(self._by_id) >= self._prune_at:
            self._prune()
            self._prune_at = max(_FEW, 2 * len(self._by_id))

    def _prune(self) -> None:
        now = self.now()
        dead = [(since, key) for key in self._by_id.values() if (since := key.dead_since(now)) is not None]
        dead.sort(key=lambda one: one[0], reverse=True)
        for rank, (since, key) in enumerate(dead):
            if rank >= _MOST_DEAD or since < now - REMEMBERED_SECONDS:
                self._forget(key)

    def put_alike(self, key: Key) -> None:
        """Let the known keys of a line be held to what one of them is: its limits, its budget, and its stop."""
        for one in self.line(key.account):
            self.put(replace(one, limits=key.limits, budget=key.budget, stopped=key.stopped))

    def _forget_replaced(self, account: str) -> None:
        line = self.line(account)
        now = self.now()
        for key in line[:-1]:
            since = key.dead_since(now)
            if since is not None and since < now - REPLACED_SECONDS:
                self._forget(key)

    def _forget(self, key: Key) -> None:
        del self._by_id[key.id], self._by_hash[key.hash]
        line = self._lines[key.account]
        line.discard(key.id)
        if not line:
            del self._lines[key.account]

    def line(self, account: str) -> list[Key]:
        """Return the known keys of a line, the newest last."""
        return sorted((self._by_id[one] for one in self._lines.get(account, ())), key=lambda key: key.created_at)

    def head(self, key_id: str) -> Key | None:
        """Return the newest key that makes calls of the line to which a key belongs; None where none does."""
        known = self._by_id.get(key_id)
        now = self.now()
        line = self.line(key_id if known is None else known.account)
        return next((key for key in reversed(line) if key.dead_since(now) is None), None)

    def get(self, key_id: str) -> Key | None:
        """Return the key of that id, good or not."""
        return self._by_id.get(key_id)

    def revoke(self, key_id: str) -> Key:
        """Mark a key as revoked from now on; a second time changes nothing."""
        key = self._by_id[key_id]
        if key.revoked_at is None:
            key = replace(key, revoked_at=self.now())
            self.put(key)
        return key

    def live_of(self, owner: str) -> list[Key]:
        """Return the keys of an owner that make calls."""
        now = self.now()
        return [key for key in self._by_id.values() if key.owner == owner and key.dead_since(now) is None]

    def live(self) -> list[Key]:
        """Return the keys that make calls."""
        now = self.now()
        return [key for key in self._by_id.values() if key.dead_since(now) is None]

    def owned_by(self, owner: str) -> list[Key]:
        """Return the keys of an owner, newest first; of a line those that make calls, or else its last one."""
        now = self.now()
        lines = (self.line(account) for account in {k.account for k in self._by_id.values() if k.owner == owner})
        told = [key for line in lines for key in line if key is line[-1] or key.dead_since(now) is None]
        return sorted(told, key=lambda key: -key.created_at)

    def leased(self) -> dict[str, list[Key]]:
        """Return the live keys that end with a lease, by lease."""
        now = self.now()
        found: dict[str, list[Key]] = {}
        for key in self._by_id.values():
            if key.lease and key.revoked_at is None and (key.expires_at is None or key.expires_at > now):
                found.setdefault(key.lease, []).append(key)
        return found

    def now(self) -> float:
        """Return the time that expiry is judged by: the clock, but never backwards, so no dead key comes to life."""
        self._latest = max(self._latest, time.time())
        return self._latest

    def check(self, presented: str) -> Key:
        """Return the key that a caller presented; raises AuthenticationFailed, which says what is wrong with it."""
        # Some SDKs recognise a bad key only by the words "Incorrect API key provided".
        key = self._by_hash.get(digest(presented))
        if key is None:
            raise _unknown(presented)
        if key.revoked_at is not None:
            raise DeadKey(key, f"was revoked at {utc_text(key.revoked_at)}", code="revoked")
        if key.expires_at is not None and key.expires_at <= self.now():
            raise DeadKey(key, f"expired at {utc_text(key.expires_at)}", code="expired")
        return key


class DeadKey(AuthenticationFailed):
    """A key that was good once; its calls are still told of as its own."""

    def __init__(self, key: Key, what: str, *, code: str) -> None:
        super().__init__(f"Incorrect API key provided: key {key.id} {what}.", hint=_WAY_OUT, code=code)
        self.key = key


class UnknownKey(AuthenticationFailed):
    """A text that has a key's shape, checksum included, and is none that is known here; another process may know it."""


def _unknown(presented: str) -> AuthenticationFailed:
    if presented.startswith(KEY_PREFIXES):
        if well_formed(presented):
            told = f"Incorrect API key provided: {_masked(presented)} is no key of this gateway."
            return UnknownKey(told, hint=_hint(presented))
        return AuthenticationFailed(
            f"Incorrect API key provided: {_masked(presented)} is mistyped or cut off; its checksum does not fit.",
            hint="Copy the whole key again, without blanks; `workbench keys issue` gives a new one.",
        )
    told = f"Incorrect API key provided: {_masked(presented)} is no key of this gateway."
    return AuthenticationFailed(told, hint=_hint(presented))


def _masked(presented: str) -> str:
    return f"'{presented[:4]}...'" if presented.startswith((*KEY_PREFIXES, OWNER_PREFIX)) else "what was sent"


def _hint(presented: str) -> str:
    if presented.startswith(OWNER_PREFIX):
        return "This is an owner token; it issues keys and makes no calls. `workbench keys issue` gives a key."
    if presented.startswith("sk-"):
        return "This looks like a provider's own key; the gateway takes keys that start with wbx- or wbp-."
    return _WAY_OUT
