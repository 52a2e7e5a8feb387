"""What an answer tells of limits: `x-ratelimit-*` of calls and of tokens, each by the limit that leaves the least."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

from workbench.gateway.admission.gauge import Gauge, Reading
from workbench.gateway.admission.window import SECOND

Header = tuple[bytes, bytes]
_OF_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_OF_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


class _Told(NamedTuple):
    """What headers tell of a limit, but for what several calls of a block still change: how much is left."""

    limit: Header
    remaining: bytes
    left: int
    reset: Header

    def headers(self, more: int) -> tuple[Header, Header, Header]:
        return self.limit, (self.remaining, b"%d" % (self.left + more)), self.reset


class Tightest(NamedTuple):
    """The limits that leave the least: of calls, and of tokens."""

    requests: _Told | None
    tokens: _Told | None

    def headers(self, *, more_requests: int = 0, more_tokens: int = 0) -> list[Header]:
        """Return them as headers, with so much more that is left."""
        told: list[Header] = []
        if self.requests is not None:
            told += self.requests.headers(more_requests)
        if self.tokens is not None:
            told += self.tokens.headers(more_tokens)
        return told


def rate_headers(gauges: Iterable[Gauge], lock: AbstractContextManager[object], now: int) -> list[Header]:
    """Return the headers of whatever these gauges hold a call to; what only casts a shadow is not told."""
    with lock:
        return tightest(gauges, now).headers()


def tightest(gauges: Iterable[Gauge], now: int) -> Tightest:
    """Return the limits of these gauges that leave the least; the lock is held."""
    requests: tuple[int, str, Gauge] | None = None
    tokens: tuple[int, str, Gauge] | None = None
    for gauge in gauges:
        if gauge.terms.shadow:
            continue
        for limit, left in gauge.requests_left(now):
            if requests is None or left < requests[0]:
                requests = left, limit, gauge
        for limit, left in gauge.tokens_left(now):
            if tokens is None or left < tokens[0]:
                tokens = left, limit, gauge
    return Tightest(
        None if requests is None else _told(_OF_REQUESTS, requests[2].reading(requests[1], requests[0], now)),
        None if tokens is None else _told(_OF_TOKENS, tokens[2].reading(tokens[1], tokens[0], now)),
    )


def _told(names: tuple[bytes, bytes, bytes], reading: Reading) -> _Told:
    limit, remaining, reset = names
    return _Told((limit, b"%d" % reading.most), remaining, reading.left, (reset, b"%ds" % -(-reading.reset // SECOND)))
