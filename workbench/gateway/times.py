"""Times as the gateway tells and keeps them: UTC, ISO 8601, milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_text(seconds: float) -> str:
    """Return seconds since the epoch as `2026-11-22T05:49:40.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> str:
    """Return the time of day, in UTC."""
    return utc_text(time.time())
