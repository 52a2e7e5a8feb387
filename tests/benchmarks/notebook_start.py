"""What a notebook's first minute takes: `python -m tests.benchmarks.notebook_start [--rounds 3]`.

Starts a plain Jupyter server with our extension and without it, and prints the CPU time that each took until it
answers, with their difference, and which heavy packages the server has loaded. Then it starts a kernel in a home that
has the embedded weights and nothing else, and prints how long the first answer of the plain openai SDK took from the
moment at which the kernel was ready, and how long the next one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.conftest import WEIGHTS_CACHE, link_weights
from workbench.testing.jupyter import TOKEN, RunningJupyter, kernel_client, running_jupyter

HEAVY = (
    "faiss",
    "litellm",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "torch",
)
CELL = """
import openai
_client = openai.OpenAI()
_said = _client.chat.completions.create(
    model="smollm2-135m", max_tokens=16, messages=[{"role": "user", "content": "Say hello."}]
)
assert _said.choices[0].message.content
"""
SETTLED = 3.0
"""Seconds after the first answer in which a server finishes what it began; its CPU time is read then."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cpu: dict[bool, list[float]] = {False: [], True: []}
    first, again, loaded = [], [], set()
    for _ in range(rounds):
        for ours, seconds in cpu.items():
            with tempfile.TemporaryDirectory(prefix="notebook-") as place:
                home, folder = Path(place, "home"), Path(place, "work")
                home.mkdir(mode=0o700)
                (folder / "config").mkdir(parents=True)
                wish = {"ServerApp": {"jpserver_extensions": {"workbench_jupyter": ours}}}
                (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(wish))
                link_weights(WEIGHTS_CACHE / "models", home)
                with running_jupyter(home, folder) as server:
                    time.sleep(SETTLED)
                    times = psutil.Process(server.process.pid).cpu_times()
                    seconds.append(times.user + times.system)
                    if ours:
                        loaded |= heavy_packages(server.process.pid)
                        once, twice = answers(server)
                        first.append(once)
                        again.append(twice)
    without, with_it = (statistics.median(cpu[ours]) for ours in (False, True))
    say = sys.stdout.write
    say(f"CPU of the server until {SETTLED:.0f} s after it answers: {with_it:.2f} s with the extension, ")
    say(f"{without:.2f} s without it: {1000 * (with_it - without):.0f} ms more ({with_it / without:.2f} times)\n")
    say(f"heavy packages with libraries of their own that it has loaded: {', '.join(sorted(loaded)) or 'none'}\n")
    say(f"first answer after a ready kernel: median {statistics.median(first):.1f} s, longest {max(first):.1f} s\n")
    say(f"next answer in the same kernel: median {statistics.median(again):.2f} s\n")


def heavy_packages(pid: int) -> set[str]:
    """Return those of the heavy packages whose compiled parts a process has mapped (Linux)."""
    maps = Path(f"/proc/{pid}/maps").read_text("utf-8")
    return {name for name in HEAVY if f"/{name}/" in maps or f"/{name}.libs/" in maps}


def answers(server: RunningJupyter) -> tuple[float, float]:
    """Return how long the first answer in a new kernel took, and the next, in seconds."""
    kernel = kernel_client(server.url, token=TOKEN)
    kernel.start()
    try:
        took = []
        for cell in ("1", CELL, CELL):
            began = time.monotonic()
            reply = kernel.execute(cell, timeout=300)
            assert reply["status"] == "ok", reply
            took.append(time.monotonic() - began)
        return took[1], took[2]
    finally:
        kernel.stop()


if __name__ == "__main__":
    main()
