"""Request ids: ours, unique, in the order of time."""

from __future__ import annotations

import os
import time


def new_request_id() -> str:
    """Return `req_`, the time in milliseconds and 80 random bits."""
    return f"req_{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
