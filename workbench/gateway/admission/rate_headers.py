"""What an answer tells of limits: `x-ratelimit-*` of calls and of tokens, each by the limit that leaves the least."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from workbench.gateway.admission.gauge import Gauge, Reading
from workbench.gateway.admission.window import SECOND

Header = tuple[bytes, bytes]
_OF_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_OF_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


def rate_headers(gauges: Iterable[Gauge], lock: AbstractContextManager[object], now: int) -> list[Header]:
    """Return the headers of whatever these gauges hold a call to; what only casts a shadow is not told."""
    requests: tuple[int, str, Gauge] | None = None
    tokens: tuple[int, str, Gauge] | None = None
    told: list[Header] = []
    with lock:
        for gauge in gauges:
            if gauge.terms.shadow:
                continue
            for limit, left in gauge.requests_left(now):
                if requests is None or left < requests[0]:
                    requests = left, limit, gauge
            for limit, left in gauge.tokens_left(now):
                if tokens is None or left < tokens[0]:
                    tokens = left, limit, gauge
        if requests is not None:
            told += _told(_OF_REQUESTS, requests[2].reading(requests[1], requests[0], now))
        if tokens is not None:
            told += _told(_OF_TOKENS, tokens[2].reading(tokens[1], tokens[0], now))
    return told


def _told(names: tuple[bytes, bytes, bytes], reading: Reading) -> list[Header]:
    return [
        (names[0], b"%d" % reading.most),
        (names[1], b"%d" % reading.left),
        (names[2], b"%ds" % -(-reading.reset // SECOND)),
    ]
