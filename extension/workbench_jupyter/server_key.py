"""The server's own key: its pages are answered with it, and no page is ever told it.

Issued with the first question, replaced before it ends, revoked with the server, or by the next one that sweeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.wire.key_file import MountedKey

if TYPE_CHECKING:
    from workbench.client.key_desk import IssuedKey
    from workbench_jupyter.broker import Broker
    from workbench_jupyter.runtime_folder import RuntimeFolder

_PATIENCE = 2.0  # seconds that a page waits for a gateway that starts
_OVERLAP = 660  # seconds; no answer takes longer
_LAST_PART = 0.2  # of a key's life, in which another one takes its place


class ServerKey:
    """Issue, replace and revoke it; everything runs in the server's event loop."""

    def __init__(self, broker: Broker, open_folder: Callable[[], Awaitable[RuntimeFolder]]) -> None:
        self._broker = broker
        self._open_folder = open_folder
        self._key: MountedKey | None = None
        self._replace_at: datetime | None = None
        self._ids: list[str] = []
        self._asking = asyncio.Lock()

    async def current(self) -> MountedKey:
        """Return the key to ask with now; raises what the gateway told, or why it can't be reached."""
        async with self._asking:
            key = self._key or await self._issue()
            if self._replace_at is not None and datetime.now(UTC) >= self._replace_at:
                key = await self._rotate()
            # The embedded gateway may have had to take another port since.
            return replace(key, gateway_url=self._broker.url or key.gateway_url)

    async def renewed(self, refused: str) -> MountedKey:
        """Return another key than the one that the gateway refused."""
        async with self._asking:
            return await self._issue() if self._key is None or self._key.key == refused else self._key

    async def close(self) -> None:
        """Revoke what was issued."""
        ids, self._ids, self._key = self._ids, [], None
        await asyncio.gather(*map(self._broker.revoke, ids))

    async def _issue(self) -> MountedKey:
        await self._broker.reach(patience=_PATIENCE)
        return await self._take(await self._broker.issue("Jupyter server, for its own pages"))

    async def _rotate(self) -> MountedKey:
        """Replace a key by one that goes on with its account, and let answers that still come by it end."""
        try:
            return await self._take(await self._broker.rotate(self._ids[-1], overlap_seconds=_OVERLAP))
        except WorkbenchError:
            return await self._issue()  # it has ended before, or the gateway was away

    async def _take(self, given: tuple[IssuedKey, str]) -> MountedKey:
        issued, url = given
        folder = await self._open_folder()
        self._ids.append(issued.id)
        folder.name_key(f"server-{issued.id}", issued.id)
        self._key = MountedKey(issued.key, issued.expires_at, url)
        self._replace_at = _due(issued.expires_at)
        return self._key


def _due(expires_at: str | None) -> datetime | None:
    if expires_at is None:
        return None
    left = datetime.fromisoformat(expires_at) - datetime.now(UTC)
    return datetime.now(UTC) + max(left * (1 - _LAST_PART), timedelta(0))
