"""GEPA in a process of its own: it holds no key and no data, and asks over its pipes for whatever it needs.

Run by path, so that it loads GEPA and nothing of the workbench. Every message is a line of
JSON: `start` comes first, each `ask` gets one answer, and an answer of `stop` ends the search.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from gepa.api import optimize
from gepa.core.adapter import EvaluationBatch

Place = tuple[str, int]
"""Part of the dataset and the number of the example in it: all that the search knows of an example."""


class Stopped(Exception):
    """The search was told to stop."""


class Asker:
    """The other end of the pipes, as GEPA's adapter and as its language model."""

    propose_new_texts = None

    def __init__(self) -> None:
        # GEPA may print: that must not stand between the messages.
        self._out, sys.stdout = sys.stdout, sys.stderr

    def start(self) -> dict[str, Any]:
        """Return what is to be searched."""
        return self._read()

    def evaluate(
        self, batch: list[Place], candidate: dict[str, str], capture_traces: bool = False
    ) -> EvaluationBatch[Any, Any]:
        """Have a candidate answer examples; return a score an example, and what was said where that is wanted."""
        told = self._ask({"ask": "evaluate", "candidate": candidate, "places": batch})
        traces = told["traces"] if capture_traces else None
        return EvaluationBatch(outputs=[None] * len(batch), scores=told["scores"], trajectories=traces)

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: EvaluationBatch[Any, Any], components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what was said, for each text that may change."""
        del candidate
        return {name: list(eval_batch.trajectories or []) for name in components_to_update}

    def reflect(self, prompt: str | list[dict[str, Any]]) -> str:
        """Have the reflection model answer; without pictures in the data, what it is asked is a text."""
        return str(self._ask({"ask": "reflect", "prompt": prompt})["text"])

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self._write(message)
        told = self._read()
        if told.get("stop"):
            raise Stopped
        return told

    def _write(self, message: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def _read(self) -> dict[str, Any]:
        line = sys.stdin.readline()
        if not line:
            raise Stopped  # whoever asked is gone
        told: dict[str, Any] = json.loads(line)
        return told


class Silent:
    """GEPA's log goes nowhere: the other end sees each step."""

    def log(self, message: str) -> None:
        """Take a line."""


def main() -> None:
    """Search until told to stop."""
    asker = Asker()
    job = asker.start()
    try:
        optimize(
            seed_candidate=job["candidate"],
            trainset=[("train", place) for place in range(job["train"])],
            valset=[("validation", place) for place in range(job["validation"])],
            adapter=cast("Any", asker),
            reflection_lm=asker.reflect,
            reflection_prompt_template=job["template"],
            reflection_minibatch_size=job["minibatch"],
            max_metric_calls=job["max_calls"],
            perfect_score=1.0,
            seed=job["seed"],
            logger=Silent(),
        )
    except Stopped:
        return


if __name__ == "__main__":
    main()
