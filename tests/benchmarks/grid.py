"""The grid runner: what it costs a cell, and what 20 kills cost of 10,000 cells. `python -m tests.benchmarks.grid`.

The provider is the simulator behind a real gateway; its own record tells which calls were completed, and how often.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workbench.evidence import exact_match
from workbench.experiments import grid, run
from workbench.testing.killed_runs import prove
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers
from workbench.wire.usage import Usage


class Instant:
    """A client whose calls cost next to nothing, so that what is measured is the runner."""

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        """Return the question."""
        return SimpleNamespace(text=prompt[-1]["content"], cost_usd=1e-6, usage=Usage(10, 10), request_id="r")

    def embed(self, texts: Any, *, model: str) -> Any:
        """Refuse: nothing here embeds."""
        raise NotImplementedError


def own_cpu(cells: int, concurrency: int) -> dict[str, float]:
    """Return the processor time of a run by an instant client, in milliseconds a cell, and of one from the journal."""
    prompts = {f"p{number}": f"say {{{{q}}}} {number}" for number in range(10)}
    candidates = grid(prompts=prompts, models=["m"])
    rows = [{"id": f"e{number}", "inputs": {"q": "x" * 500 + str(number)}} for number in range(cells // 10)]
    found = {}
    for what in ("asked", "from_journal"):
        began = time.process_time()
        run(
            "cpu", candidates, rows, [exact_match()], gateway=Instant(), track=False, progress=False,
            concurrency=concurrency,
        )  # fmt: skip
        found[f"{what}_ms_a_cell"] = (time.process_time() - began) * 1000 / cells
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--track", action="store_true", help="write the run to MLflow: its memory is told with it")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_HOME"] = f"{folder}/cpu"
        figures: dict[str, Any] = {"own_cpu": own_cpu(told.cells, told.concurrency)}
        with simulated_providers() as providers, simulated_gateway(Path(folder) / "gateway", providers) as running:
            environ = {"WORKBENCH_GATEWAY_URL": running.url, "OPENAI_API_KEY": running.issue_key()}
            began = time.monotonic()
            proof = prove(
                Path(folder) / "home", providers, environ,
                cells=told.cells, kills=told.kills, concurrency=told.concurrency, seed=told.seed,
                track=told.track,
            )  # fmt: skip
            figures |= {"kills": asdict(proof), "seconds": time.monotonic() - began}
    print(json.dumps(figures, indent=2))  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
