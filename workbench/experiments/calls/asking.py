"""The way of one paid call: money held, turn waited for, noted, sent and kept, with patience where that helps."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import NamedTuple

from workbench.errors import (
    AuthenticationFailed,
    InvalidInput,
    LimitExceeded,
    MissingComponent,
    NotFound,
    PermissionDenied,
    PriceUnknown,
    ProviderTimeout,
    SettingsError,
    StreamCut,
    Unavailable,
    WorkbenchError,
)
from workbench.experiments.calls.budget import Budget
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.limiter import Limiter
from workbench.experiments.calls.lost import Lost
from workbench.experiments.calls.sending import Sender, Sent, never_left
from workbench.experiments.cells.cell import Answer
from workbench.experiments.cells.journal import Journal

FATAL = (AuthenticationFailed, MissingComponent, NotFound, PermissionDenied, SettingsError, Unavailable)
"""Errors that would meet every other call too: the experiment stops."""

PATIENCE = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts while the gateway does not answer: it may be on its way up again."""
PAUSE = 0.5
"""Seconds before a call that a provider failed is sent again, doubled each time."""

_LONGEST_SILENCE = 60.0
"""Seconds after which a silent gateway is not tried again: the client has waited long enough by itself."""
_LONGEST_WAIT = 60.0
"""Longest wait for a limit, in seconds."""
_LIMIT_SECONDS = 600.0
"""Seconds for which a call may be refused again and again: other processes may use the same limit."""
_UNPAID = (AuthenticationFailed, InvalidInput, LimitExceeded, MissingComponent, NotFound, PermissionDenied)
"""Errors of calls that cost nothing."""
_IN_DOUBT = (Unavailable, StreamCut, ProviderTimeout)
"""Errors after which an answer may exist all the same."""


class Given(NamedTuple):
    """An answer as a caller gets it."""

    answer: Answer
    shared: bool
    """Whether it was made for an equal call of the same run, which has paid for it."""


class Asking:
    """Answer calls, each of them paid for once. It lives on one event loop."""

    def __init__(
        self,
        sender: Sender,
        journal: Journal,
        *,
        limiter: Limiter,
        budget: Budget,
        lost: Lost,
        experiment_id: str,
        stop: threading.Event,
        retries: int = 0,
    ) -> None:
        self.budget = budget
        self._sender = sender
        self._journal = journal
        self._limiter = limiter
        self._lost = lost
        self._experiment_id = experiment_id
        self._stop = stop
        self._retries = retries
        self._made: dict[str, Answer] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.under_way: set[asyncio.Task[object] | None] = set()
        """Tasks whose call is sent and not yet kept: they are waited for when the rest is stopped."""

    async def answer(
        self, call: Call, *, sent_before: datetime | None = None, fatal: tuple[type[WorkbenchError], ...] = FATAL
    ) -> Given:
        """Return the answer to a call; it is durable then. Calls that are kept under one key are made once.

        `sent_before` is when an earlier process sent it, of which nobody knows how it ended: its answer is looked for
        first. An error of `fatal` stops all others before anybody else is sent. While the gateway does not answer it is
        tried again a few times, and `retries` times what a provider failed; a limit that tells when to come back is
        waited for. Raises what the last attempt raised, BudgetExhausted and PriceUnknown where the budget can't cover
        the call, and CancelledError where the experiment was stopped before it was sent.
        """
        if call.address is None:
            return Given(await self._answer(call, sent_before, fatal), shared=False)
        key = call.address.key
        async with self._locks[key]:
            shared = key in self._made
            if not shared:
                self._made[key] = await self._answer(call, sent_before, fatal)
            return Given(self._made[key], shared)

    async def _answer(
        self, call: Call, sent_before: datetime | None, fatal: tuple[type[WorkbenchError], ...]
    ) -> Answer:
        if sent_before is not None and (found := await self._found(call, sent_before)) is not None:
            return await self._kept(call, found)
        began = time.monotonic()
        while True:
            try:
                return await self._in_turn(call, fatal)
            except LimitExceeded as error:
                wait = error.retry_after
                if wait is None or wait > _LONGEST_WAIT or time.monotonic() - began > _LIMIT_SECONDS:
                    raise
                if self._stop.is_set():
                    raise
                self._limiter.lane(call.model).refused(wait)
                await asyncio.sleep(wait)

    async def _in_turn(self, call: Call, fatal: tuple[type[WorkbenchError], ...]) -> Answer:
        if call.worst_usd is None and self.budget.usd is not None:
            raise PriceUnknown(
                f"not sent: nobody knows the price of {call.model!r}, so budget_usd can't be kept.",
                hint="Give the model a price in the gateway's configuration, or run without budget_usd.",
            )
        held = await self.budget.hold(call.worst_usd or 0.0)
        cost: float | None = 0.0
        task = asyncio.current_task()
        try:
            async with self._limiter.turn(call.model, call.tokens) as lane:
                if self._stop.is_set():
                    raise asyncio.CancelledError
                self.under_way.add(task)
                if call.address is not None:
                    await self.durable(self._journal.begin(call.address.key))
                cost = None  # what a stop cancels may be paid for
                try:
                    answer, limits = await self._patiently(call)
                except Exception as error:
                    cost = 0.0 if isinstance(error, _UNPAID) or never_left(error) else None
                    if isinstance(error, fatal):
                        self._stop.set()  # before anybody else gets the turn
                    raise
                lane.told(limits)
                cost = answer.cost_usd
                return await self._kept(call, answer)
        finally:
            self.under_way.discard(task)
            self.budget.settle(held, cost)

    async def _patiently(self, call: Call) -> Sent:
        """Send a call, and again while the gateway does not answer or a provider fails.

        An answer that may exist is looked for before.
        """
        silences, failures = list(PATIENCE), [PAUSE * 2**number for number in range(self._retries)]
        began = time.monotonic()
        while True:
            sent_at = datetime.now(UTC)
            try:
                return await self._sender.send(call)
            except WorkbenchError as error:
                silent = isinstance(error, Unavailable)
                pauses = silences if silent else failures
                if isinstance(error, LimitExceeded) or not error.retryable or not pauses:
                    raise
                if silent and time.monotonic() - began > _LONGEST_SILENCE:
                    raise
                if await asyncio.to_thread(self._stop.wait, pauses.pop(0)):
                    raise
                if never_left(error):
                    continue
                if isinstance(error, _IN_DOUBT) and (found := await self._found(call, sent_at)) is not None:
                    return Sent(found, None)
                # Nobody knows whether that one was paid for: it counts, and the next one must fit beside it.
                self.budget.settle(0.0, call.worst_usd or 0.0)
                self.budget.check()

    async def fail(self, call: Call, error: BaseException) -> None:
        """Keep that a call failed, unless its answer may exist all the same."""
        if call.address is not None and not isinstance(error, _IN_DOUBT):
            await self.durable(self._journal.fail(call.address, told(error), experiment_id=self._experiment_id))

    async def _found(self, call: Call, sent_at: datetime) -> Answer | None:
        return await self._lost.find(call.address, sent_at) if call.address is not None else None

    async def _kept(self, call: Call, answer: Answer) -> Answer:
        if call.address is not None:
            await self.durable(self._journal.keep(call.address, answer, experiment_id=self._experiment_id))
        return answer

    async def durable(self, written: Future[None]) -> None:
        """Wait until the journal has written it; raises Unavailable where it can't."""
        try:
            await asyncio.wrap_future(written)
        except sqlite3.Error as error:
            raise self._journal.refused(error) from error


def told(error: BaseException) -> str:
    """Return an error as a cell keeps it."""
    return f"{error.error_code}: {error}" if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
