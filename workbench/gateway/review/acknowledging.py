"""The text on risks: who has acknowledged which version, asked before the first key and at submission."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from workbench.errors import Conflict, PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.keys import KeyTable
from workbench.gateway.review.policy import Policy
from workbench.gateway.review.store import UseCaseStore
from workbench.gateway.times import utc_text


class Acknowledging:
    """Keeps acknowledgements; where no text is configured everybody has acknowledged it."""

    def __init__(self, store: UseCaseStore, *, keys: KeyTable, policy: Callable[[], Policy]) -> None:
        self._store = store
        self._keys = keys
        self._policy = policy
        self._known: set[tuple[str, str]] = set()

    async def acknowledged(self, identity: Identity) -> bool:
        """Tell whether somebody has acknowledged the version in force."""
        policy = self._policy()
        if policy.risk_text is None or (identity.name, policy.risk_version) in self._known:
            return True
        if await asyncio.to_thread(self._store.acknowledged_at, identity.name, policy.risk_version) is None:
            return False
        self._known.add((identity.name, policy.risk_version))
        return True

    async def check(self, identity: Identity) -> None:
        """Raise PermissionDenied for somebody who has not acknowledged the version in force."""
        if not await self.acknowledged(identity):
            version = self._policy().risk_version
            raise PermissionDenied(
                f"{identity.name} has not acknowledged the text on risks, version {version}.",
                hint=f"Read it with `workbench usecase risks`, then `workbench usecase acknowledge {version}` "
                "(POST /me/acknowledgements).",
                code="acknowledgement_needed",
            )

    async def acknowledge(self, identity: Identity, version: str) -> dict[str, Any]:
        """Keep that somebody acknowledges a version; raises Conflict for one that is not in force."""
        policy = self._policy()
        if policy.risk_text is None or version != policy.risk_version:
            in_force = "none is" if policy.risk_text is None else f"version {policy.risk_version} is"
            raise Conflict(
                f"The text on risks in version {version[:64]!r} is not in force; {in_force}.",
                hint="`workbench usecase risks` shows what is.",
                code="other_version",
            )
        await asyncio.to_thread(
            self._store.acknowledge, identity.name, version, text_hash=policy.risk_hash, at=self._keys.now()
        )
        return await self.told(identity)

    async def told(self, identity: Identity) -> dict[str, Any]:
        """Return the text in force, and when somebody acknowledged it."""
        policy = self._policy()
        if policy.risk_text is None:
            return {"version": None, "text": None, "acknowledged_at": None}
        at = await asyncio.to_thread(self._store.acknowledged_at, identity.name, policy.risk_version)
        return {
            "version": policy.risk_version,
            "text": policy.risk_text,
            "acknowledged_at": None if at is None else utc_text(at),
        }
