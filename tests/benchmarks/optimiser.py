"""How often the optimiser claims a gain that is not there, and how often it finds one that is.

    python -m tests.benchmarks.optimiser [--tasks 20]

Null tasks: an answer is right by the throw of a coin that each wording throws anew, so the best of many wordings looks
good on whatever chose it. Planted tasks: words that reflection may find make every answer right. Each task has another
dataset. Limits: at most 1 proposal in 20 null tasks; at least 80 % of planted gains found.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.unit.experiments.test_optimise import PlantedModel, better, coin
from workbench.evidence import Dataset, Example, exact_match
from workbench.experiments import optimise
from workbench.prompts import Prompt


def _task(number: int) -> tuple[Prompt, Dataset]:
    prompt = Prompt(f"task-{number}", f"Task {number}: say the colour of {{{{thing}}}}.", parameters={"model": "m"})
    things = [Example(f"e{n}", {"thing": f"thing {number} {n * 7919 % 10007}"}, "red") for n in range(60)]
    return prompt, Dataset(tuple(things), f"things-{number}")


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    tasks: int = parser.parse_args().tasks
    kinds = {
        "null": lambda: PlantedModel(coin, better),
        "planted": lambda: PlantedModel(lambda text: "Look closely" in text or coin(text), better),
    }
    with tempfile.TemporaryDirectory() as folder:
        for kind, model in kinds.items():
            os.environ["WORKBENCH_HOME"] = str(Path(folder) / kind)  # each kind has a journal of its own
            began, proposed, gains = time.perf_counter(), 0, []
            for number in range(tasks):
                prompt, data = _task(number)
                result = optimise(
                    prompt, data, [exact_match()], budget_usd=1.0, max_calls=160, seed=number,
                    gateway=model(), progress=False, track=False,
                )  # fmt: skip
                proposed += result.proposed
                gains.append(max(step.score for step in result.steps) - result.steps[0].score)
            told = (
                f"{kind:8} proposed {proposed} of {tasks}; gain on the part that chose: "
                f"{sum(gains) / tasks:+.2f} on average; {time.perf_counter() - began:.0f} s"
            )
            print(told)  # noqa: T201


if __name__ == "__main__":
    main()
