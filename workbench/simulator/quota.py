"""Limits of simulated providers: over them they answer 429, as a region that is used up does."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import msgspec

from workbench.simulator.exchange import Exchange


class Quota(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A limit within a sliding window, on what fits all of its selectors."""

    requests: int | None = None
    """Most requests within the window; None: any number."""
    tokens: int | None = None
    """Most tokens, of questions and answers, within the window; None: any number."""
    seconds: float = 60.0
    """Length of the window."""
    region: str | None = None
    """Only `/region/{name}/...`; None: all."""
    credential: str | None = None
    """Only this API key, access key id or bearer token; None: all."""
    model: str | None = None
    """Only this model or deployment, a shell pattern; None: all."""
    path: str | None = None
    """Only these paths, a shell pattern; None: all."""
    provider: str | None = None
    """Only this protocol, such as `openai`; None: all."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a quota after a request."""

    quota: Quota
    """The limit."""
    requests: int
    """Requests that are left; 0 where they are not limited."""
    tokens: int
    """Tokens that are left; 0 where they are not limited."""
    seconds: float
    """Until all of the window is free again."""

    def counts(self) -> Iterator[tuple[str, int, int]]:
        """Yield the name, the limit and what is left of each kind that is limited."""
        for name, most, left in (
            ("requests", self.quota.requests, self.requests),
            ("tokens", self.quota.tokens, self.tokens),
        ):
            if most is not None:
                yield name, most, max(0, left)


@dataclass
class _Window:
    quota: Quota
    uses: deque[tuple[float, int]] = field(default_factory=deque)

    def used(self, now: float) -> tuple[int, int]:
        while self.uses and self.uses[0][0] <= now - self.quota.seconds:
            self.uses.popleft()
        return len(self.uses), sum(tokens for _, tokens in self.uses)

    def wait(self, tokens: int, now: float) -> float | None:
        """Return the seconds until a use of so many tokens fits; None if it fits now."""
        requests, spent = self.used(now)
        if not self._over(requests, spent, tokens):
            return None
        for at, freed in self.uses:
            requests, spent = requests - 1, spent - freed
            if not self._over(requests, spent, tokens):
                return max(0.0, at + self.quota.seconds - now)
        return self.quota.seconds

    def _over(self, requests: int, spent: int, tokens: int) -> bool:
        quota = self.quota
        return (quota.requests is not None and requests + 1 > quota.requests) or (
            quota.tokens is not None and spent + tokens > quota.tokens
        )

    def left(self, now: float) -> Left:
        requests, spent = self.used(now)
        end = self.uses[-1][0] + self.quota.seconds - now if self.uses else 0.0
        return Left(self.quota, (self.quota.requests or requests) - requests, (self.quota.tokens or spent) - spent, end)


class Quotas:
    """The quotas in force."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._windows: list[_Window] = []
        self._clock = clock

    def add(self, quota: Quota) -> None:
        """Put a quota in force."""
        self._windows.append(_Window(quota))

    def clear(self) -> None:
        """Let everything through again."""
        self._windows.clear()

    def spend(self, exchange: Exchange, provider: str, tokens: int) -> tuple[float | None, Left | None]:
        """Book a request on each quota that it falls under, on all or on none.

        Returns the seconds to wait where one of them is used up, and what is left of the first of them.
        """
        windows = [window for window in self._windows if _fits(window.quota, exchange, provider)]
        if not windows:
            return None, None
        now = self._clock()
        waits = [wait for window in windows if (wait := window.wait(tokens, now)) is not None]
        if not waits:
            for window in windows:
                window.uses.append((now, tokens))
        return (max(waits) if waits else None), windows[0].left(now)

    def used(self) -> list[dict[str, object]]:
        """Return each quota with what of it is used now."""
        now = self._clock()
        told: list[dict[str, object]] = []
        for window in self._windows:
            requests, tokens = window.used(now)
            told.append({**msgspec.to_builtins(window.quota), "used": {"requests": requests, "tokens": tokens}})
        return told


def whole_seconds(wait: float) -> int:
    """Return a wait as `Retry-After` tells it."""
    return max(1, math.ceil(wait))


def _fits(quota: Quota, exchange: Exchange, provider: str) -> bool:
    return (
        quota.region in (None, exchange.region)
        and quota.provider in (None, provider)
        and (quota.model is None or fnmatchcase(exchange.model, quota.model))
        and (quota.path is None or fnmatchcase(exchange.path, quota.path))
        and (quota.credential is None or quota.credential in exchange.presented)
    )
