"""How fast models have answered: medians and 95th percentiles of the ledger's newest calls.

Read by a thread when somebody looks at the catalogue, and kept for a while; no call waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from workbench.gateway.ledger.file import connect

_log = logging.getLogger("workbench.gateway.catalogue")

KEPT_SECONDS = 30.0
_CALLS = 20_000
"""How many of the newest calls count, of all models together."""
_NEWEST = """
    SELECT model, latency_ms, first_token_ms FROM
    (SELECT model, latency_ms, first_token_ms, outcome FROM calls ORDER BY rowid DESC LIMIT ?)
    WHERE outcome = 'ok' AND latency_ms IS NOT NULL
"""
Latency = dict[str, float | int | None]


class Latencies:
    """What was seen of each model."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._seen: dict[str, Latency] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[dict[str, Latency]] | None = None

    def of(self, model: str) -> Latency | None:
        """Return what was seen of a model; None where there was no call lately."""
        return self._seen.get(model)

    async def refresh(self) -> None:
        """Look at the ledger again if the last look is old; a ledger that can't be read leaves what was seen."""
        if time.monotonic() - self._read_at < KEPT_SECONDS:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(asyncio.to_thread(_read, self._ledger))
        try:
            self._seen = await asyncio.shield(self._reading)
        except sqlite3.Error as error:
            _log.warning("latencies can't be read from the ledger: %s", error)
        self._read_at, self._reading = time.monotonic(), None


def _read(ledger: Path) -> dict[str, Latency]:
    whole: dict[str, list[float]] = defaultdict(list)
    first: dict[str, list[float]] = defaultdict(list)
    connection = connect(ledger)
    try:
        for model, latency_ms, first_token_ms in connection.execute(_NEWEST, (_CALLS,)):
            if model is None:
                continue
            whole[model].append(latency_ms)
            if first_token_ms is not None:
                first[model].append(first_token_ms)
    finally:
        connection.close()
    return {
        model: {
            "calls": len(times),
            "p50_ms": _quantile(times, 0.5),
            "p95_ms": _quantile(times, 0.95),
            "first_token_p50_ms": _quantile(first[model], 0.5),
            "first_token_p95_ms": _quantile(first[model], 0.95),
        }
        for model, times in whole.items()
    }


def _quantile(times: Sequence[float], share: float) -> float | None:
    """Return the smallest time that at least this share of the calls did not exceed."""
    if not times:
        return None
    ordered = sorted(times)
    return round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 1)
