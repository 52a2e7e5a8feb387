"""Who waits for a change of what is served: each loader keeps one request open, and is told within a second.

A waiting request costs a task and no look at anything; all of them end when the gateway is asked to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from workbench.gateway.published.chain import PUBLISH, kind_of
from workbench.gateway.published.record import Published
from workbench.gateway.published.rollout import ROLLOUT

MOST_SECONDS = 60
"""How long a request may wait."""
_SERVED = (PUBLISH, ROLLOUT)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed."""

    seq: int
    """How far the record goes that was looked at."""
    references: tuple[str, ...]
    """Each `name@alias` that may be served otherwise since then."""


class Changes:
    """The record's news, for those who wait."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._news = asyncio.Event()
        self._closing = False
        published.chain.listeners.append(self._ring)

    async def after(self, seq: int, *, wait: float) -> Changed:
        """Return what was changed after a record, as soon as there is something, or nothing after `wait` seconds."""
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            news, changed = self._news, self._since(seq)
            left = deadline - asyncio.get_running_loop().time()
            if changed.references or left <= 0 or self._closing:
                return changed
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                pass

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closing = True
        self._ring()

    def _ring(self) -> None:
        rung, self._news = self._news, asyncio.Event()
        rung.set()

    def _since(self, seq: int) -> Changed:
        records = self._published.chain.records
        found = {f"{r['name']}@{r['alias']}" for r in records[seq:] if kind_of(r) in _SERVED}
        return Changed(self._published.chain.head.seq, tuple(sorted(found)))
