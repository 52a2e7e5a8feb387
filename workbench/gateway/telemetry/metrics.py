"""What each call adds to the gateway's metrics, and what the gateway is doing right now.

A call costs one look for its series and some additions; nothing is rendered before somebody scrapes. Labels come from
the configuration and from our own error codes, never from what a caller chose.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING

from workbench.errors import Unavailable
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.routing import status
from workbench.gateway.telemetry.numbers import OTHER, Name, Numbers, read

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

CALLS, WORK, TIMES, COUNT, GAUGE = "calls", "work", "times", "count", "gauge"
"""Kinds of series: the first word of their names."""
INPUT, CACHED_INPUT, CACHE_WRITE, OUTPUT, REASONING, PICODOLLARS, WITHOUT_PRICE = range(7)
"""Cells of a series of work."""
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of latencies and of first tokens."""
OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
"""Upper bounds of the buckets of the gateway's own time."""
HISTOGRAMS = {"latency": SECONDS, "first_token": SECONDS, "overhead": OVERHEAD_SECONDS}
"""In the order in which they stand in a series of times: buckets, then the sum in microseconds."""
_LATENCY, _FIRST_TOKEN, _OVERHEAD = 0, len(SECONDS) + 2, 2 * (len(SECONDS) + 2)
_LATENCY_MS, _OVERHEAD_MS = [1000 * s for s in SECONDS], [1000 * s for s in OVERHEAD_SECONDS]
PICO = 1_000_000_000_000

BREAKER = {"closed": 0, "half_open": 1, "open": 2}
"""A breaker's state as a number."""
_MOST_PASSING = 200
"""Models that are not listed and get a label of their own: a provider has answered for them."""
_MOST_SERIES = 20_000
_LOOK_SECONDS = 1.0
_WORST = frozenset({"breaker", "ledger_failing", "limit_shadow", "provider_down"})
"""Of these the worst that a worker says counts, of all others the sum."""
_STALE = 10_000_000_000
"""Nanoseconds after which what a worker said of right now counts no more."""


class _Series:
    """Where the calls of one kind are counted."""

    __slots__ = ("calls", "times", "work")

    def __init__(self, calls: memoryview[int], work: memoryview[int], times: memoryview[int]) -> None:
        self.calls, self.work, self.times = calls, work, times


class Metrics:
    """The metrics of one gateway process, and, in a scrape, of all its fellows."""

    def __init__(self, gateway: Parts, *, folder: Path | None = None, worker: int | None = None) -> None:
        """Count for a gateway; one of several workers counts in `folder`, where the others look."""
        self._gateway = gateway
        self._folder = None if worker is None else folder
        self._file = f"w{worker}"
        self._numbers = Numbers()
        self._series: dict[tuple[str | None, ...], _Series] = {}
        self._passing: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Hear of every row from now on."""
        if self._folder is not None:
            self._numbers = Numbers(self._folder / self._file)
            self._task = asyncio.create_task(self._keep_saying())
        self._gateway.spool.listeners.append(self.heard)

    async def close(self) -> None:
        """Say no more of right now; what was counted stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- on the way of a call ----------------------------------------------------------------------------------------

    def heard(self, row: LedgerRow) -> None:
        """Count a call."""
        key = (row.model, row.provider, row.use_case, row.outcome, row.error_code)
        series = self._series.get(key) or self._new(key, row)
        series.calls[0] += 1
        _count_work(series.work, row)
        if row.attempts and row.latency_ms is not None:
            _count_times(series.times, row, row.latency_ms)

    def count(self, what: str, label: str) -> None:
        """Count something else that happens: `label` is one of few."""
        self._numbers.of((COUNT, what, label))[0] += 1

    def _new(self, key: tuple[str | None, ...], row: LedgerRow) -> _Series:
        if len(self._series) >= _MOST_SERIES:  # callers name what there is not: such names need not be remembered
            self._series.clear()
        model, provider, use_case = self._model(row), row.provider or "", row.use_case or ""
        of = self._numbers.of
        found = self._series[key] = _Series(
            of((CALLS, model, provider, use_case, row.outcome, row.error_code or "")),
            of((WORK, model, provider, use_case)),
            of((TIMES, model, provider)),
        )
        return found

    def _model(self, row: LedgerRow) -> str:
        """Return the label of a row's model: its name where it is listed, or where a provider knows it."""
        name = row.model
        if name is None:
            return ""
        if any(model.name == name for model in self._gateway.models) or name in self._passing:
            return name
        if row.outcome == "ok" and row.attempts and len(self._passing) < _MOST_PASSING:
            self._passing.add(name)
            return name
        return OTHER

    # -- right now ---------------------------------------------------------------------------------------------------

    async def _keep_saying(self) -> None:
        while True:
            self.say()
            await asyncio.sleep(_LOOK_SECONDS)

    def say(self) -> None:
        """Put what is going on right now where all workers' scrapes find it."""
        now = monotonic_ns()
        for name, value in self._now():
            cells = self._numbers.of((GAUGE, *name))
            cells[0], cells[1] = value, now

    def _now(self) -> Iterator[tuple[Name, int]]:
        gateway = self._gateway
        yield ("in_flight", ""), len(gateway.in_flight)
        yield ("ledger_failing", ""), int(_fails(gateway.spool.check))
        yield ("queued", ""), gateway.fairness.waiting
        yield ("spool_waiting", ""), gateway.spool.waiting
        for kind, count in gateway.admission.shadow_refusals().items():
            yield ("limit_shadow", kind), count
        for provider in status.providers(gateway.health, gateway.providers, since=gateway.upstream.since):
            yield ("provider_down", provider["provider"]), int(provider["state"] == "down")
        listed = {deployment.id for deployment in gateway.models.deployments()}
        health = gateway.health
        for one in health:
            if one.deployment.id in listed:
                yield ("breaker", one.deployment.label), BREAKER[one.breaker.condition]
                yield ("deployment_in_flight", one.deployment.label), one.in_flight

    # -- all together ------------------------------------------------------------------------------------------------

    def totals(self) -> dict[Name, list[int]]:
        """Return the numbers of all workers together, and of right now: sums, but the worst state of each breaker."""
        self.say()
        together: dict[Name, list[int]] = {}
        for numbers in self._everybodys():
            for name, cells in numbers.items():
                known = together.get(name)
                if name[0] == GAUGE:
                    together[name] = _right_now(name, known, cells)
                else:
                    together[name] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]
        return together

    def _everybodys(self) -> Iterator[dict[Name, list[int]]]:
        yield self._numbers.all()
        if self._folder is not None:
            for path in sorted(self._folder.iterdir()):
                if path.name != self._file:
                    yield read(path)


def _count_work(work: memoryview[int], row: LedgerRow) -> None:
    if row.input_tokens:
        work[INPUT] += row.input_tokens
    if row.output_tokens:
        work[OUTPUT] += row.output_tokens
    if row.cached_input_tokens:
        work[CACHED_INPUT] += row.cached_input_tokens
    if row.cache_write_tokens:
        work[CACHE_WRITE] += row.cache_write_tokens
    if row.reasoning_tokens:
        work[REASONING] += row.reasoning_tokens
    if row.cost_usd is None:
        work[WITHOUT_PRICE] += 1
    elif row.cost_usd:
        work[PICODOLLARS] += round(row.cost_usd * PICO)


def _count_times(times: memoryview[int], row: LedgerRow, latency_ms: float) -> None:
    times[_LATENCY + bisect_left(_LATENCY_MS, latency_ms)] += 1
    times[_FIRST_TOKEN - 1] += int(latency_ms * 1000)
    if row.first_token_ms is not None:
        times[_FIRST_TOKEN + bisect_left(_LATENCY_MS, row.first_token_ms)] += 1
        times[_OVERHEAD - 1] += int(row.first_token_ms * 1000)
    if row.overhead_ms is not None:
        times[_OVERHEAD + bisect_left(_OVERHEAD_MS, row.overhead_ms)] += 1
        times[_OVERHEAD + len(OVERHEAD_SECONDS) + 1] += int(row.overhead_ms * 1000)


def _right_now(name: Name, known: list[int] | None, cells: list[int]) -> list[int]:
    value = cells[0] if monotonic_ns() - cells[1] < _STALE else 0
    if known is None:
        return [value]
    return [max(known[0], value) if name[1] in _WORST else known[0] + value]


def _fails(check: Callable[[], None]) -> bool:
    with contextlib.suppress(Unavailable):
        check()
        return False
    return True


def metrics_folder(home: Path, port: int) -> Path:
    """Return where the workers of the gateway at a port count."""
    return home / "run" / f"metrics-{port}"


def forget(folder: Path) -> None:
    """Remove what an earlier gateway counted there: a new one begins at 0."""
    shutil.rmtree(folder, ignore_errors=True)
