"""Small plain chats, as many as wrk gets through: calls a second, latency, CPU and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.targets import Target

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Chats:
    """What one burst showed."""

    calls_per_second: float
    """Answered calls."""
    p50_ms: float
    """Median latency."""
    p99_ms: float
    """Latency of the slowest hundredth."""
    cpu_us: float | None
    """CPU time of the target's processes for each call, in microseconds; None for the upstream itself."""
    rss_mb: float | None
    """Their memory at the end."""


def warm(target: Target) -> None:
    """Make one call: what is loaded with the first one is not measured."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {target.key}"}
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Say hello."}]}).encode()
    request = urllib.request.Request(target.url_of("chat"), body, headers)
    urllib.request.urlopen(request, timeout=60).close()


def burst(target: Target, *, seconds: int) -> Chats:
    """Run wrk for some seconds; raises RuntimeError if a call fails."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is needed: apt-get install nginx-light wrk")
    before = target.tree.cpu_seconds() if target.tree else 0.0
    how = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(_SCRIPT)]
    command = [wrk, *how, target.url_of("chat")]
    environ = {**os.environ, "BENCHMARK_KEY": target.key}
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    used = (target.tree.cpu_seconds() if target.tree else 0.0) - before
    figures = json.loads(told.stdout.strip().splitlines()[-1])
    if figures["errors"] or not figures["calls"]:
        raise RuntimeError(f"{target.name}: {figures}\n{told.stdout}")
    return Chats(
        calls_per_second=figures["calls"] / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        cpu_us=used / figures["calls"] * 1e6 if target.tree else None,
        rss_mb=target.tree.rss_mb() if target.tree else None,
    )
