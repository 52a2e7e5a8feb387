"""Which cells leave a trace in MLflow: a trace costs a hundred times what a row of the table does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from workbench.errors import InvalidInput
from workbench.experiments.cells.cell import Cell

Traces = Literal["sample", "all", "failures", "none"]
"""`sample`: all cells of a small experiment, else failures and a sample of the examples."""
WHICH: tuple[Traces, ...] = ("sample", "all", "failures", "none")
MOST = 400
"""Cells of an experiment whose cells all have a trace; the sample of a larger one is no larger."""


def traced(cells: Sequence[Cell], which: Traces = "sample", *, seed: int = 0) -> set[str]:
    """Return the trace ids of the cells that are to be written; a cell that was not sent has nothing to tell.

    The sample is drawn by example, whatever the candidate or the order: people compare the answers of two candidates
    to the same example, also of two experiments on one dataset. Raises InvalidInput for another word.
    """
    if which not in WHICH:
        raise InvalidInput(f"Traces are {', '.join(WHICH)}, not {which!r}.", param="traces")
    sent = [cell for cell in cells if cell.sent]
    if which == "all" or (which == "sample" and len(sent) <= MOST):
        return {cell.trace_id for cell in sent}
    sampled = _sample(sent, seed) if which == "sample" else set()
    failed = which != "none"
    return {cell.trace_id for cell in sent if (failed and cell.answer is None) or cell.job.example.id in sampled}


def _sample(sent: Sequence[Cell], seed: int) -> set[str]:
    examples = dict.fromkeys(cell.job.example.id for cell in sent)
    drawn = sorted(examples, key=lambda each: hashlib.sha256(f"{seed}|{each}".encode()).digest())
    return set(drawn[: max(1, MOST * len(examples) // len(sent))])
