"""Request ids: ours, unique, not to be guessed, in the order of time."""

from __future__ import annotations

import os
import time

_BYTES = 10
_pool: list[str] = []


def new_request_id() -> str:
    """Return `req_`, the time in milliseconds and 80 random bits."""
    if not _pool:  # the system is asked for randomness once for many ids
        drawn = os.urandom(_BYTES * 256).hex()
        _pool.extend(drawn[i : i + 2 * _BYTES] for i in range(0, len(drawn), 2 * _BYTES))
    return f"req_{time.time_ns() // 1_000_000:012x}{_pool.pop()}"
