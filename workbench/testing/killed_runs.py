"""Runs of an experiment that are killed at random, to see in the provider's own record what was paid twice or lost.

A process that has loaded everything forks one child a run (`python -m workbench.testing.killed_runs`), so that a run
that is killed and begun again costs no imports. For tests and benchmarks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.testing.simulator import SimulatedProviders

_PATIENCE = 600.0
"""Seconds that one run may take."""


@dataclass(frozen=True)
class Proof:
    """What became of a grid whose runs were killed."""

    cells: int
    """Cells of the grid."""
    answered: int
    """Cells that are answered at the end."""
    wrong: int
    """Cells with another answer than the provider's."""
    kills: int
    """Runs that were killed while they ran."""
    answers: int
    """Calls that the provider answered to their end."""
    repeated: int
    """Of these, how many were to a cell that the provider had answered to its end before."""
    cut: int
    """Calls that the provider did not answer to their end, since the caller was gone."""
    rss_mb: float
    """Most memory that a run held."""
    cpu_s: float
    """Processor time of all runs."""


def prove(
    home: Path,
    providers: SimulatedProviders,
    environ: Mapping[str, str],
    *,
    cells: int,
    kills: int,
    concurrency: int,
    seed: int = 0,
    track: bool = False,
) -> Proof:
    """Run a grid on the model `chatty`, kill it at random calls, run it again, and count.

    `environ` says where the gateway is and which key to use; `track` writes the runs to MLflow. The last kill comes
    while enough calls are left that the run can't have ended by the time it is killed.
    """
    points = sorted(random.Random(seed).sample(range(1, cells - 6 * concurrency), kills))
    order = {"cells": cells, "concurrency": concurrency, "track": track}
    command = [sys.executable, "-m", "workbench.testing.killed_runs"]
    environment = {**os.environ, **environ, "WORKBENCH_HOME": str(home)}
    zygote = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    ends: list[dict[str, Any]] = []
    try:
        while True:
            zygote.stdin.write(json.dumps(order) + "\n")
            zygote.stdin.flush()
            pid = int(zygote.stdout.readline())
            if points:
                _kill_at(points.pop(0), pid, providers)
            ends.append(json.loads(zygote.stdout.readline()))
            if ends[-1]["signal"] != signal.SIGKILL:
                break
    finally:
        zygote.stdin.close()
        zygote.wait(timeout=30)
        zygote.stdout.close()
    result = ends[-1]["result"]
    assert result is not None, "the last run failed"
    answers = [seen for seen in providers.requests if seen.ended == "answered"]
    by_cell = Counter(seen.body["messages"][0]["content"] for seen in answers)
    return Proof(
        cells=cells,
        answered=result["answered"],
        wrong=result["wrong"],
        kills=len(ends) - 1,
        answers=len(answers),
        repeated=len(answers) - len(by_cell),
        cut=len(providers.requests) - len(answers),
        rss_mb=max(end["rss_kb"] for end in ends) / 1024,
        cpu_s=sum(end["cpu_s"] for end in ends),
    )


def _kill_at(point: int, pid: int, providers: SimulatedProviders) -> None:
    """Kill a run once the provider has seen so many calls; one that ends before is left."""
    end = time.monotonic() + _PATIENCE
    while len(providers.requests) < point and time.monotonic() < end:
        if not Path(f"/proc/{pid}/stat").exists():
            return
        time.sleep(0.002)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _run(order: Mapping[str, Any], told: Path) -> None:
    """Run the grid in this process, and tell what came out."""
    from workbench import experiments  # noqa: PLC0415 - it is loaded: before the first fork

    half = order["cells"] // 2
    rows = [{"id": f"e{number}", "inputs": {"q": str(number)}} for number in range(half)]
    prompts = {"say": "say {{q}}", "tell": "tell {{q}}"}
    found = experiments.run(
        "killed",
        experiments.grid(prompts=prompts, models=["chatty"], parameters={"max_tokens": 50}),
        rows,
        concurrency=order["concurrency"],
        track=order["track"],
        progress=False,
    )
    good = found.cells[found.cells["error"].isna()]
    asked = good["candidate"] + " " + good["example_id"].str[1:]
    told.write_text(json.dumps({"answered": len(good), "wrong": int((good["output"] != "echo: " + asked).sum())}))


def _serve() -> None:
    """Fork a run for each line of the input; tell its process, and how it ended."""
    import workbench.client.sdk  # noqa: F401, PLC0415 - half a second, once for all runs
    from workbench import experiments  # noqa: F401, PLC0415 - likewise

    folder = Path(tempfile.mkdtemp())
    for number, line in enumerate(sys.stdin):
        told = folder / str(number)
        if (pid := os.fork()) == 0:
            try:
                _run(json.loads(line), told)
            finally:
                sys.stderr.flush()
                os._exit(0 if told.exists() else 1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status, used = os.wait4(pid, 0)
        end = {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "result": json.loads(told.read_text()) if told.exists() else None,
            "rss_kb": used.ru_maxrss,
            "cpu_s": used.ru_utime + used.ru_stime,
        }
        sys.stdout.write(json.dumps(end) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
