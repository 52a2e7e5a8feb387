"""Times as the gateway tells and keeps them: UTC, ISO 8601, milliseconds."""

from __future__ import annotations

import time
from functools import lru_cache


@lru_cache(maxsize=8)
def _whole_seconds(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def utc_text(seconds: float) -> str:
    """Return seconds since the epoch as `2026-11-22T05:49:40.123Z`."""
    milliseconds = int(seconds * 1000)
    return f"{_whole_seconds(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


def utc_now() -> str:
    """Return the time of day, in UTC."""
    return utc_text(time.time())
