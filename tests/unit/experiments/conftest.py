"""A small model in place of the gateway: it answers by a rule, counts what it was asked, and can fail on purpose."""

import threading
from dataclasses import dataclass, field

import pytest

from workbench.client import ChatResult
from workbench.evidence import Dataset
from workbench.experiments import Candidate
from workbench.experiments.calls import asking
from workbench.wire.usage import Usage


@dataclass
class RuleModel:
    """Answers `<model>: <last message>`; `before` may look at a message, wait, or raise."""

    before: object = None
    cost_usd: float | None = 0.001
    asked: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def chat(self, messages, *, model, tags=None, **parameters):
        text = messages[-1]["content"]
        with self.lock:
            self.asked.append((model, text, parameters))
            self.tags.append(tags)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            number = len(self.asked)
        try:
            if self.before is not None:
                self.before(text, number)
        finally:
            with self.lock:
                self.at_once -= 1
        return ChatResult(
            text=f"{model}: {text}",
            images=[],
            usage=Usage(input_tokens=len(text), output_tokens=3),
            cost_usd=self.cost_usd,
            latency_ms=float(10 + number),
            request_id=f"req-{number}",
            model=model,
            finish_reason="stop",
        )

    def embed(self, texts, *, model):
        raise AssertionError("nothing here embeds")


@pytest.fixture
def model():
    return RuleModel()


@pytest.fixture
def questions():
    rows = [{"id": f"q{i}", "inputs": {"q": f"question {i}"}, "expected": f"big: ask question {i}"} for i in range(6)]
    return Dataset.from_rows(rows, name="questions")


@pytest.fixture
def pair():
    return [Candidate("plain", prompt="ask {{q}}", model="small"), Candidate("grand", prompt="ask {{q}}", model="big")]


@pytest.fixture(autouse=True)
def _own_home(home):
    """Each test has a journal of its own."""


@pytest.fixture
def impatient(monkeypatch):
    """A silent gateway is tried as often as ever, without the pauses."""
    monkeypatch.setattr(asking, "PATIENCE", (0.0,) * len(asking.PATIENCE))
