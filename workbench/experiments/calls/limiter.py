"""How many calls are under way at once, and when the next one may begin: one lane a model, one number for all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from workbench.client.limits import RateLimits
from workbench.experiments.calls.pace import Pace

_STEP_SECONDS = 1.0
"""Least time between two halvings: calls that were sent together are refused together."""


class Lane:
    """The calls of one model: fewer at once after a refusal, one more after each round of answers (AIMD)."""

    def __init__(self, pace: Pace | None, most: int) -> None:
        self._pace = pace
        self._most = float(most)
        self._width = float(most)
        self._under_way = 0
        self._narrowed_at = -_STEP_SECONDS
        self._freed = asyncio.Event()

    async def enter(self, tokens: float) -> None:
        """Wait for a turn."""
        while self._under_way >= max(1, int(self._width)):
            self._freed.clear()
            await self._freed.wait()
        self._under_way += 1
        try:
            while self._pace is not None and (wait := self._pace.take(tokens)) > 0:  # noqa: ASYNC110 - others change it
                await asyncio.sleep(wait)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self._under_way -= 1
        self._freed.set()

    def told(self, limits: RateLimits | None) -> None:
        """Learn from an answer."""
        self._width = min(self._most, self._width + 1 / max(self._width, 1.0))
        if limits is not None and self._pace is not None:
            self._pace.told(limits)

    def refused(self, seconds: float) -> None:
        """Learn from a refusal that says when to come back."""
        if time.monotonic() - self._narrowed_at >= _STEP_SECONDS:
            self._narrowed_at = time.monotonic()
            self._width = max(1.0, self._width / 2)
        if self._pace is not None:
            self._pace.refused(seconds)

    def close(self) -> None:
        """Let other processes know that nothing waits here any more."""
        if self._pace is not None:
            with contextlib.suppress(OSError):
                self._pace.leave()


class Limiter:
    """The lanes of all models; `concurrency` calls are under way at once, whatever their models."""

    def __init__(self, home: Path, gateway: str | None, concurrency: int) -> None:
        self._home = home
        self._gateway = gateway
        self._concurrency = concurrency
        self._all = asyncio.Semaphore(concurrency)
        self._lanes: dict[str | None, Lane] = {}

    def lane(self, model: str | None) -> Lane:
        """Return the lane of a model; a callable that names none, and a client that is no gateway's, has no pace."""
        if model not in self._lanes:
            paced = model is not None and self._gateway is not None
            pace = Pace(self._home, self._gateway or "", model or "") if paced else None
            self._lanes[model] = Lane(pace, self._concurrency)
        return self._lanes[model]

    @contextlib.asynccontextmanager
    async def turn(self, model: str | None, tokens: float) -> AsyncIterator[Lane]:
        """Wait until a call may begin, and hold its place while the block runs."""
        lane = self.lane(model)
        await lane.enter(tokens)
        try:
            async with self._all:
                yield lane
        finally:
            lane.leave()

    def close(self) -> None:
        """Give all turns back."""
        for lane in self._lanes.values():
            lane.close()
