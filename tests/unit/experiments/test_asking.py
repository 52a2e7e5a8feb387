"""One paid call: what is sent again, what is made once, and what counts as spent when nobody knows."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from workbench.errors import BudgetExhausted, GatewayUnreachable, ProviderTimeout, ProviderUnavailable, StreamCut
from workbench.evidence import Output
from workbench.experiments import Answer
from workbench.experiments.calls import asking
from workbench.experiments.calls.asking import Asking
from workbench.experiments.calls.budget import Budget
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.limiter import Limiter
from workbench.experiments.calls.lost import Lost
from workbench.experiments.calls.sending import Sent
from workbench.experiments.cells.cell import Address
from workbench.experiments.cells.journal import Journal

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ANSWER = Answer(Output("x"), NOW, NOW, 1.0, cost_usd=0.25)
CALL = Call(Address("k" * 64, "a", "e1", 0), "m", worst_usd=1.0)


class Sender:
    """Meets these errors one after the other, then answers; without an end it waits for ever."""

    def __init__(self, *errors: Exception, endless: bool = False) -> None:
        self.errors, self.endless, self.sent, self.begun = list(errors), endless, 0, asyncio.Event()

    async def send(self, call: Call) -> Sent:
        self.sent += 1
        self.begun.set()
        await asyncio.sleep(3600 if self.endless else 0)
        if self.errors:
            raise self.errors.pop(0)
        return Sent(ANSWER, None)

    async def close(self) -> None:
        pass


@pytest.fixture
def ask(home, monkeypatch):
    """Run what is made of an Asking on a loop of its own; return that Asking and what came of it."""
    monkeypatch.setattr(asking, "PATIENCE", (0.0,) * len(asking.PATIENCE))
    monkeypatch.setattr(asking, "PAUSE", 0.0)

    def run(sender, work, *, usd=None, retries=2):
        async def live():
            journal = Journal(home)
            made = Asking(
                sender,
                journal,
                limiter=Limiter(home, None, 4),
                budget=Budget(usd),
                lost=Lost(None),
                experiment_id="x",
                stop=threading.Event(),
                retries=retries,
            )
            try:
                return made, await asyncio.gather(work(made), return_exceptions=True)
            finally:
                journal.close()

        made, (found,) = asyncio.run(live())
        return made, found

    return run


@pytest.mark.parametrize("error", [ProviderTimeout, StreamCut, ProviderUnavailable, GatewayUnreachable])
def test_what_is_sent_again_counts_each_time_since_it_may_have_been_paid_for(ask, error):
    sender = Sender(error("no answer"), error("no answer"))
    made, given = ask(sender, lambda asking: asking.answer(CALL))
    assert (given.answer, sender.sent, made.budget.spent) == (ANSWER, 3, 1.0 + 1.0 + 0.25)


def test_what_would_pass_the_budget_is_not_sent_again(ask):
    sender = Sender(ProviderTimeout("no answer"), ProviderTimeout("no answer"))
    made, error = ask(sender, lambda asking: asking.answer(CALL), usd=1.5)
    assert isinstance(error, BudgetExhausted)
    assert (sender.sent, made.budget.spent) == (1, 1.0)


def test_what_a_provider_failed_is_sent_again_as_often_as_the_client_was_told(ask):
    sender = Sender(*[ProviderUnavailable("down")] * 5)
    _, error = ask(sender, lambda asking: asking.answer(CALL))
    assert isinstance(error, ProviderUnavailable)
    assert sender.sent == 3


def test_a_refused_connection_costs_nothing(ask):
    refused = GatewayUnreachable("The gateway does not answer.")
    refused.__cause__ = ConnectionRefusedError()
    made, _ = ask(Sender(refused), lambda asking: asking.answer(CALL))
    assert made.budget.spent == 0.25


def test_equal_calls_are_made_once(ask):
    sender = Sender()
    made, given = ask(sender, lambda asking: asyncio.gather(asking.answer(CALL), asking.answer(CALL)))
    assert [one.shared for one in given] == [False, True]
    assert (sender.sent, made.budget.spent) == (1, 0.25)


def test_a_call_that_is_cancelled_under_way_may_have_been_paid_for(ask):
    async def leave(asking):
        task = asyncio.create_task(asking.answer(CALL))
        await sender.begun.wait()
        task.cancel()
        await asyncio.wait({task})

    sender = Sender(endless=True)
    made, _ = ask(sender, leave)
    assert made.budget.spent == 1.0
