"""A judge of MLflow's goes through the gateway that a kernel has mounted: `python -m tests.benchmarks.mlflow_judge`.

Prints the ledger's rows of its calls. Not in the suite: MLflow loads litellm for it, which takes seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from workbench.client import Gateway
from workbench.evidence import Example, from_mlflow
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers


def main() -> None:
    """Score one output by a judge that MLflow made, and print what the gateway saw."""
    with (
        tempfile.TemporaryDirectory() as folder,
        simulated_providers() as providers,
        simulated_gateway(Path(folder) / "home", providers) as running,
    ):
        key = running.issue_key()
        os.environ |= {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OPENAI_BASE_URL": f"{running.url}/v1",
            "OPENAI_API_KEY": key,
        }
        from mlflow.genai import make_judge

        kind = make_judge(
            name="kind", instructions="Is {{ outputs }} kind?", model="openai:/chatty", feedback_value_type=float
        )
        score = from_mlflow(kind, bounds=None)("hello", Example("one", {"q": "?"}))
        with Gateway(url=running.url, key=key) as own:
            rows = own.calls()
        sys.stdout.write(f"{score}\n")
        sys.stdout.writelines(f"{row['model']} {row['path']} {row['outcome']} {row['cost_usd']}\n" for row in rows)
        assert [row["model"] for row in rows] == ["chatty"]


if __name__ == "__main__":
    main()
