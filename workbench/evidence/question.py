"""What a scorer that asks a model sends and gets: plain values, so that whoever pays decides how it is sent.

A scorer's `questions(output, example)` is a generator without I/O: it yields a Question, takes the Reply, and returns
its Score. Threads, asyncio, limits, budgets and stops are the driver's own; `Scorer.ask_one` is the plain driver.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Question:
    """One paid call that a scorer wants: `gateway.chat(q.messages, model=q.model, tags=q.tags, **q.parameters)`."""

    messages: Sequence[Mapping[str, Any]]
    """Chat messages."""
    model: str
    """Name of the model; a limiter counts by it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the call, `max_tokens` among them: the worst that it can cost is known before."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What the ledger is told, `scorer=NAME` at least; a driver may add its own (`dataclasses.replace`)."""


class Reply(Protocol):
    """What of an answer a scorer reads; the client's ChatResult is one."""

    @property
    def text(self) -> str:
        """The answer's text."""

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None if unknown."""


class Asker(Protocol):
    """What sends a question: the gateway's client."""

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        """Return a Reply."""


CallGate = Callable[[Question, Callable[[Question], Reply]], Reply]
"""What stands before each call of `Scorer.ask_one`: it waits for a limit, holds money, calls `send(question)`, settles
`reply.cost_usd`, and returns the reply. What it raises, `ask_one` raises."""

Questions = Generator[Question, Any, Any]
"""A scorer's conversation: yields a Question, is sent its Reply, and returns a Score."""


def drive(questions: Questions, *, gateway: Asker, call_gate: CallGate | None = None) -> Any:
    """Send each question through the gateway, one after the other, and return what the conversation ends with.

    Raises what a call, or the gate before it, raised.
    """

    def send(question: Question) -> Reply:
        reply: Reply = gateway.chat(
            list(question.messages), model=question.model, tags=dict(question.tags), **question.parameters
        )
        return reply

    try:
        question = next(questions)
        while True:
            question = questions.send(send(question) if call_gate is None else call_gate(question, send))
    except StopIteration as end:
        return end.value
    finally:
        questions.close()
