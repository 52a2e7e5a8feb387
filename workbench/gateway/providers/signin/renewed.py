"""Something that expires: fetched in a thread, once for all who wait, and renewed before its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from workbench.errors import WorkbenchError
from workbench.gateway.providers.signin.sign_in import token_server_down

_log = logging.getLogger("workbench.gateway.signin")

FETCH_SECONDS = 30.0
"""How long a call waits for a token."""
_EARLY_SECONDS, _EARLY_SHARE = 300.0, 0.2
"""Renewed beside the calls that go on with what is held: so long before its end, at most so much of its life."""
_LATE_SECONDS, _LATE_SHARE = 30.0, 0.05
"""Too near its end to be sent."""
_PAUSE_SECONDS = 10.0
"""Between two attempts to renew what is still good."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """What was fetched."""

    value: T = field(repr=False)
    """The thing itself."""
    seconds_left: float | None
    """How long it is good for; None: until it is refused."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    value: T = field(repr=False)
    early: float
    late: float


class Renewed(Generic[T]):
    """Holds one value and renews it."""

    def __init__(self, provider: str, fetch: Callable[[], Fetched[T]]) -> None:
        self._provider = provider
        self._fetch = fetch
        self._held: _Held[T] | None = None
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    @property
    def ready(self) -> bool:
        """Whether a good value is held."""
        return self._held is not None and time.monotonic() < self._held.late

    async def prepare(self) -> None:
        """Wait until a good value is held; raises what `fetch` raises."""
        if self.ready:
            return
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                await asyncio.shield(self._begun())
        except TimeoutError as error:
            raise token_server_down(self._provider, f"no answer within {FETCH_SECONDS:g} s") from error

    def value(self) -> T:
        """Return what is held; near its end, have it renewed meanwhile."""
        held = self._held
        assert held is not None, "prepare comes first"
        now = time.monotonic()
        if now >= held.early and now >= self._not_before:
            self._not_before = now + _PAUSE_SECONDS
            self._begun()
        return held.value

    def forget(self, value: T) -> None:
        """Take this value for spent; one that has been fetched since stays."""
        if self._held is not None and self._held.value == value:
            self._held = _Held(value, early=float("inf"), late=0.0)

    def holds(self) -> T | None:
        """Return what is held, good or not."""
        return None if self._held is None else self._held.value

    def _begun(self) -> asyncio.Task[None]:
        """Return the one fetch that is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew())
            self._task.add_done_callback(self._tell)
        return self._task

    async def _renew(self) -> None:
        fetched = await asyncio.to_thread(self._fetch)
        now, left = time.monotonic(), fetched.seconds_left
        if left is None:
            self._held = _Held(fetched.value, float("inf"), float("inf"))
        else:
            early, late = min(_EARLY_SECONDS, left * _EARLY_SHARE), min(_LATE_SECONDS, left * _LATE_SHARE)
            self._held = _Held(fetched.value, now + left - early, now + left - late)

    def _tell(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, WorkbenchError):
            _log.warning("%s", error)
        elif error is not None:
            _log.error("provider %r: no token could be fetched", self._provider, exc_info=error)
