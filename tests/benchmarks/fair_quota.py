"""Online calls while batch work floods a short deployment: `python -m tests.benchmarks.fair_quota`.

An upstream of 200 ms is short of tokens a minute, then of calls at once; batch work offers ten times what there is.
Idle and flooded rounds take turns, and each ratio is of figures of the same run; the machine's load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.delayed import READY, SECONDS, TOKENS
from tests.benchmarks.processes import running
from workbench.client.key_desk import KeyDesk
from workbench.testing.gateway import RunningGateway, running_gateway

ONLINE_RATE = 3.0
"""Online calls a second: half of the quota."""
QUOTA = 6
"""Calls a second that the tokens a minute are enough for."""
CONCURRENT = 6
TIMES = 10
"""Batch work that is offered, in times of what there is."""
MODELS = ("tokens", "calls")


@dataclass
class Figures:
    """What was measured of one way to be short."""

    idle: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    batch_per_second: list[float] = field(default_factory=list)
    lost: int = 0
    """Online calls that were not answered."""
    queued: int = 0
    """Online calls that waited in the gateway's queue, be it a moment."""


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fair_quota", description=__doc__)
    parser.add_argument("--only", choices=MODELS, nargs="+", default=MODELS, help="what is short")
    parser.add_argument("--rounds", type=int, default=3, help="idle and flooded rounds of each")
    parser.add_argument("--seconds", type=int, default=60, help="length of a round")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        command = [sys.executable, "-m", "tests.benchmarks.delayed"]
        _, upstream = stack.enter_context(running(command, log=folder / "upstream.out", ready_line=READY))
        gateway = stack.enter_context(running_gateway(folder / "home", config=_config(upstream)))
        figures = {model: Figures() for model in given.only}
        for number in range(given.rounds):
            for model, found in figures.items():
                _say(f"round {number + 1} of {given.rounds}, short of {model}: idle, then flooded")
                _round(gateway, model, found, seconds=given.seconds)
        with urllib.request.urlopen(upstream) as answer:
            told = json.load(answer)
    print(_table(figures))  # noqa: T201
    print(f"The upstream answered {told['answered']:,} calls and had to refuse {told['refused']:,}.")  # noqa: T201
    print(f"Measured with a load of {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores.")  # noqa: T201


def _config(upstream: str) -> str:
    quota = QUOTA * 60 * TOKENS
    bounds = {"tokens": f"tokens_per_minute = {quota}", "calls": f"concurrent = {CONCURRENT}"}
    lines = [f"[fairness]\nlongest_queue = {2 * TIMES * CONCURRENT}"]
    for model, bound in bounds.items():
        most = quota if model == "tokens" else 10**9
        lines.append(f'[providers.{model}]\nkind = "openai_compatible"\nbase_url = "{upstream}/{most}"')
        lines.append(f'[[models]]\nname = "{model}"\nprice = {{ input = 0.15, output = 0.6 }}')
        lines.append(f'deployments = [{{ provider = "{model}", model = "{model}", {bound} }}]')
    return "\n".join(lines)


def _round(gateway: RunningGateway, model: str, found: Figures, *, seconds: int) -> None:
    desk = KeyDesk(gateway.url, gateway.owner_token)
    keys = [_production_key(desk, use_case) for use_case in ("shop", "nightly")]
    online = [gateway.url, keys[0], model, "--rate", str(ONLINE_RATE), "--seconds", str(seconds)]
    idle = _wait(_ask(*online))
    offered = ["--rate", str(TIMES * QUOTA)] if model == "tokens" else ["--clients", str(TIMES * CONCURRENT)]
    batch = _ask(gateway.url, keys[1], model, *offered, "--seconds", str(seconds + 2), "--batch")
    flooded = _wait(_ask(*online))
    found.batch_per_second.append(_wait(batch)["statuses"].get("200", 0) / seconds)
    p99 = [_quantile(told["milliseconds"], 99) for told in (idle, flooded)]
    found.idle += idle["milliseconds"]
    found.flooded += flooded["milliseconds"]
    found.ratios.append(p99[1] / p99[0])
    found.queued += flooded["queued"]
    found.lost += sum(count for status, count in flooded["statuses"].items() if status != "200")
    served = f"batch {found.batch_per_second[-1]:.1f}/s"
    _say(f"p99 {p99[0]:.0f} ms idle, {p99[1]:.0f} ms flooded: {found.ratios[-1]:.3f}; {served}")


def _production_key(desk: KeyDesk, use_case: str) -> str:
    wish = {"kind": "production", "owner": "bench", "use_case": use_case}
    return str(desk.ask("POST", "/admin/v1/keys", wish, timeout=10)["key"])


def _ask(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.asking", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _wait(asking: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = asking.communicate()
    if asking.returncode:
        raise RuntimeError(f"{asking.args!r} failed")
    found: dict[str, Any] = json.loads(told)
    return found


def _table(figures: dict[str, Figures]) -> str:
    columns = (
        "short of", "online p50 ms idle", "flooded", "online p99 ms idle", "flooded", "p99, flooded to idle",
        "each round", "online calls", "that waited in the queue", "lost", "batch calls/s", "of what was left",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", f"|---{'|--:' * (len(columns) - 1)}|"]
    for model, found in figures.items():
        left = (QUOTA if model == "tokens" else CONCURRENT / SECONDS) - ONLINE_RATE
        batch = statistics.median(found.batch_per_second)
        idle, flooded = _quantile(found.idle, 99), _quantile(found.flooded, 99)
        lines.append(
            f"| {model} | {statistics.median(found.idle):.0f} | {statistics.median(found.flooded):.0f} | {idle:.0f} "
            f"| {flooded:.0f} | {flooded / idle:.3f} | {', '.join(f'{ratio:.3f}' for ratio in found.ratios)} "
            f"| {len(found.flooded)} | {found.queued} | {found.lost} | {batch:.1f} | {batch / left:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
