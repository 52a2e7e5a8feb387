"""How long a run's rows take on their way to MLflow: our one writer against `mlflow.genai.evaluate`, same rows.

    python -m tests.benchmarks.mlflow_writer [--rows 200]

Both write to a fresh sqlite store of their own, on which one small run was written before. `evaluate` gets answers that
are there already (a predict function that looks them up) and a scorer that compares, so that neither calls a model.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def ours(home: Path, traces: str) -> Callable[[int], float]:
    """Return what writes so many rows as `experiments.run` does, and tells the seconds of the writing."""
    os.environ["WORKBENCH_HOME"] = str(home)
    from workbench import tracking
    from workbench.evidence import Dataset, exact_match
    from workbench.experiments import Candidate, run
    from workbench.experiments.runs import running

    tracker = tracking.connect()
    took: list[float] = []
    record = running.record

    def timed(*arguments: object, **options: object) -> object:
        began = time.perf_counter()
        try:
            return record(*arguments, **options)  # type: ignore[arg-type]
        finally:
            took.append(time.perf_counter() - began)

    running.record = timed  # type: ignore[assignment]

    def write(count: int) -> float:
        data = Dataset.from_rows([{"id": f"e{i}", "inputs": {"q": str(i)}, "expected": str(i)} for i in range(count)])
        same = Candidate("same", call=lambda inputs: inputs["q"])
        options = {"tracker": tracker, "traces": traces, "progress": False}
        run(f"rows {count}", [same], data, [exact_match()], **options)  # type: ignore[call-overload]
        return took[-1]

    return write


def evaluate(home: Path) -> Callable[[int], float]:
    """Return what writes so many rows as `mlflow.genai.evaluate` does, and tells its seconds."""
    import mlflow
    from mlflow.genai import scorer

    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.set_experiment("rows")

    @scorer
    def same(outputs: str, expectations: dict[str, str]) -> bool:
        return outputs == expectations["expected_response"]

    def write(count: int) -> float:
        data = [{"inputs": {"q": str(i)}, "expectations": {"expected_response": str(i)}} for i in range(count)]
        began = time.perf_counter()
        mlflow.genai.evaluate(data=data, predict_fn=lambda q: q, scorers=[same])
        mlflow.flush_trace_async_logging()
        return time.perf_counter() - began

    return write


def main() -> None:
    """Measure both, in this order: ours, theirs, ours again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200)
    rows = parser.parse_args().rows
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        os.environ[name] = "true"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where `evaluate` leaves its artefacts
        places = {name: Path(folder) / name for name in ("tables", "sample", "all", "theirs")}
        for place in places.values():
            place.mkdir()
        writers = {name: ours(places[name], which) for name, which in
                   (("tables", "none"), ("sample", "sample"), ("all", "all"))}  # fmt: skip
        writers["theirs"] = evaluate(places["theirs"])
        for write in writers.values():
            write(5)
        first = writers["tables"](rows)
        theirs = writers["theirs"](rows)
        second = writers["tables"](rows + 1)
        sys.stdout.write(f"{rows} rows, mlflow.genai.evaluate: {theirs:.2f} s\n")
        for label, seconds in (("tables and metrics", (first + second) / 2), ("the default's traces too",
                               writers["sample"](rows)), ("all traces too", writers["all"](rows))):  # fmt: skip
            told = f"{rows} rows, ours, {label}: {seconds:.2f} s, {theirs / seconds:.1f} times faster\n"
            sys.stdout.write(told)


if __name__ == "__main__":
    main()
