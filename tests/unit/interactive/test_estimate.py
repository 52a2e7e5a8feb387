"""What rows will cost follows from the tokens of those that were asked, and max_usd is not passed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.errors import LimitExceeded
from workbench.evidence import Example, Output
from workbench.experiments import Candidate
from workbench.experiments.cells.cell import Answer, Job
from workbench.experiments.cells.price import Price
from workbench.experiments.runs.estimate import estimate
from workbench.interactive.spending import Purse
from workbench.wire.usage import Usage

CANDIDATE = Candidate("c", prompt="{{text}}", model="m")


def job(text: str) -> Job:
    return Job.of(CANDIDATE, Example(text[:8], {"text": text}), 0)


def answer(read: int, written: int, cost: float | None = None) -> Answer:
    now = datetime.now(UTC)
    return Answer(Output("x"), now, now, 1.0, cost_usd=cost, usage=Usage(input_tokens=read, output_tokens=written))


def test_longer_rows_cost_more_input_and_the_mean_of_output() -> None:
    frame = len('[{"role": "user", "content": ""}]')
    asked = [(job("a" * (100 - frame)), answer(50, 10))]
    expected = estimate(asked, [job("b" * (300 - frame)), job("c" * (100 - frame))], Price(1.0, 2.0))
    assert expected.rows == 2
    assert expected.usd == pytest.approx((150 + 50 + 2 * 10 * 2) / 1_000_000)


def test_a_model_that_costs_nothing_costs_nothing_without_a_sample() -> None:
    assert estimate([], [job("a")], Price(0.0, 0.0)).usd == 0.0


def test_without_a_price_the_mean_cost_counts_and_without_that_nobody_knows() -> None:
    assert estimate([(job("a"), answer(1, 1, 0.25))], [job("b"), job("c")], None).usd == 0.5
    assert estimate([(job("a"), answer(1, 1))], [job("b")], None).usd is None
    assert estimate([], [job("b")], Price(1.0, 1.0)).usd is None


class Till:
    """A client whose answers cost something."""

    def __init__(self, cost: float) -> None:
        self.cost, self.paid = cost, 0.0
        self._lock = threading.Lock()

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        with self._lock:
            self.paid += self.cost
        return SimpleNamespace(cost_usd=self.cost)

    def embed(self, texts: Any, *, model: str) -> Any:
        raise NotImplementedError


def test_threads_together_never_pass_the_amount() -> None:
    till = Till(0.1)
    purse = Purse(till, max_usd=1.05, spent=0.2, expected=0.1)
    refused: list[str] = []

    def work() -> None:
        for _ in range(5):
            try:
                purse.chat("x", model="m")
            except LimitExceeded as error:
                refused.append(error.error_code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert till.paid == pytest.approx(0.8)
    assert refused == ["max_usd"] * 12
