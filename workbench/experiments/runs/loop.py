"""The event loop of one run: lanes of jobs, a few workers for each, and the end of all of them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from workbench.errors import BudgetExhausted
from workbench.experiments.calls.asking import FATAL, Asking, told
from workbench.experiments.calls.backend import Backend
from workbench.experiments.calls.budget import Budget
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.calls.limiter import Limiter
from workbench.experiments.calls.lost import Lost
from workbench.experiments.calls.sending import ChatClient, awaited, retries
from workbench.experiments.cells.cell import Answer, Cell, Job
from workbench.experiments.cells.journal import Journal
from workbench.experiments.runs.judging import Judging
from workbench.experiments.runs.tally import Tally

_NEVER_WORKED = 5
"""Failures in a row after which a candidate that has never answered is given up."""
_STOPPED_WORKING = 20
"""Failures in a row after which any candidate is given up."""
_IN_FLIGHT_SECONDS = 60.0
"""How long a stopped run waits for calls under way."""
_AFTER_ERROR_SECONDS = 5.0
"""How long one waits for them that met an error which every call would meet."""


class Loop:
    """Answer and judge jobs in a thread of its own; what is done stands in `done` at once."""

    def __init__(
        self,
        backend: Backend,
        gateway: ChatClient | None,
        journal: Journal,
        *,
        judging: Judging,
        catalogue: Catalogue | None,
        budget_usd: float | None,
        experiment_id: str,
        tally: Tally,
        done: dict[int, Cell],
        doubtful: Mapping[str, datetime],
    ) -> None:
        self.tally = tally
        """How far it is."""
        self.done = done
        """Cells by the id of their job."""
        self.ended = threading.Event()
        """Set once nothing is sent any more."""
        self.error: BaseException | None = None
        """What ended it before its time."""
        self.why_stopped: str | None = None
        """What cells say that were not sent."""
        self.spent = 0.0
        """US dollars that count against the budget, once it has ended."""
        self._backend = backend
        self._gateway = gateway
        self._journal = journal
        self._judging = judging
        self._catalogue = catalogue
        self._budget_usd = budget_usd
        self._experiment_id = experiment_id
        self._doubtful = doubtful
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._main: asyncio.Task[None] | None = None
        self._failures: Counter[str] = Counter()
        self._worked: set[str] = set()
        self._given_up: dict[str, str] = {}

    def start(self, jobs: Sequence[Job], answered: Mapping[int, Answer | None], *, concurrency: int) -> None:
        """Begin; `answered` are the jobs that are only to be judged."""

        def live() -> None:
            try:
                asyncio.run(self._live(jobs, answered, concurrency))
            except asyncio.CancelledError:
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised where one waits for the end
                self.error = self.error or error
            finally:
                self.ended.set()

        threading.Thread(target=live, name="experiment", daemon=True).start()

    def stop(self, why: str) -> None:
        """Send nothing more; calls under way end. From any thread."""
        self.why_stopped = self.why_stopped or why
        self._stop.set()
        self._tell(lambda: self._stopping.set() if self._stopping is not None else None)

    def leave(self) -> None:
        """Leave the calls under way as well. From any thread."""
        self._tell(lambda: self._main.cancel() if self._main is not None else None)

    def _tell(self, what: object) -> None:
        if self._loop is not None and not self.ended.is_set():
            try:
                self._loop.call_soon_threadsafe(what)  # type: ignore[arg-type]
            except RuntimeError:  # it has ended meanwhile
                return

    async def _live(self, jobs: Sequence[Job], answered: Mapping[int, Answer | None], concurrency: int) -> None:
        self._main = asyncio.current_task()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        sender = self._backend.sender(self._gateway, concurrency=concurrency)
        gateway = awaited(self._gateway)
        limiter = Limiter(self._journal.home, gateway.url if gateway is not None else None, concurrency)
        asking = Asking(
            sender,
            self._journal,
            limiter=limiter,
            budget=Budget(self._budget_usd),
            lost=Lost(gateway),
            experiment_id=self._experiment_id,
            stop=self._stop,
            retries=retries(self._gateway),
        )
        try:
            await self._work_off(jobs, answered, concurrency, asking)
        finally:
            self.spent = asking.budget.spent
            limiter.close()
            await sender.close()
            if gateway is not None:
                await gateway.close()

    async def _work_off(
        self, jobs: Sequence[Job], answered: Mapping[int, Answer | None], concurrency: int, asking: Asking
    ) -> None:
        lanes: dict[str | None, deque[Job]] = defaultdict(deque)
        for job in jobs:
            lanes[job.candidate.model_name].append(job)
        pending: set[asyncio.Task[None]] = {
            asyncio.create_task(self._worker(lane, answered, asking))
            for lane in lanes.values()
            for _ in range(min(concurrency, len(lane)))
        }
        assert self._stopping is not None
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            while pending and not self._stop.is_set():
                await asyncio.wait({*pending, stopped}, return_when=asyncio.FIRST_COMPLETED)
                pending = {task for task in pending if not task.done()}
            for task in pending - asking.under_way:
                task.cancel()
            if pending:
                seconds = _AFTER_ERROR_SECONDS if self.error is not None else _IN_FLIGHT_SECONDS
                await asyncio.wait(pending, timeout=seconds)
        finally:
            stopped.cancel()
            for task in pending:
                task.cancel()
            # What they may have cost is booked as they end.
            await asyncio.gather(stopped, *pending, return_exceptions=True)

    async def _worker(self, lane: deque[Job], answered: Mapping[int, Answer | None], asking: Asking) -> None:
        try:
            while lane and not self._stop.is_set():
                job = lane.popleft()
                # The cell stands where it stays before anything else may happen: an interrupt may come at any time.
                self.done[id(job)] = cell = await self._cell(job, answered.get(id(job)), asking)
                self.tally.end(cell)
        except BudgetExhausted as error:
            if error.error_code != "budget_usd":
                raise
            self.stop(str(error))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - it ends the run, and is raised where one waits
            self.error = self.error or error
            self.stop("not sent: the experiment was ended by an error")

    async def _cell(self, job: Job, answer: Answer | None, asking: Asking) -> Cell:
        name, reused, started_at = job.candidate.name, answer is not None, datetime.now(UTC)
        if answer is None:
            if (reason := self._given_up.get(name)) is not None:
                return Cell(job, error=reason, sent=False)
            call: Call | None = None
            try:
                call = Call.of(job, experiment_id=self._experiment_id, catalogue=self._catalogue)
                answer, reused = await asking.answer(call, sent_before=self._doubtful.get(job.key or ""))
            except FATAL:
                raise
            except BudgetExhausted as error:
                if error.error_code == "budget_usd":
                    raise
                return await self._failed(job, call, error, asking, started_at)
            except Exception as error:  # noqa: BLE001 - whatever a candidate raises is the candidate's failure
                return await self._failed(job, call, error, asking, started_at)
            self._worked.add(name)
            self._failures[name] = 0
        if not self._judging.scorers:
            return Cell(job, answer=answer, reused=reused)
        # It is answered, whatever becomes of its scores: a stop while it is judged loses no answer.
        self.done[id(job)] = Cell(job, answer=answer, reused=reused)
        return Cell(job, answer=answer, reused=reused, scores=await self._judging.scores(job, answer, asking))

    async def _failed(
        self, job: Job, call: Call | None, error: Exception, asking: Asking, started_at: datetime
    ) -> Cell:
        self._count_failure(job.candidate.name, told(error))
        if call is not None:
            await asking.fail(call, error)
        return Cell(job, error=told(error), started_at=started_at, ended_at=datetime.now(UTC))

    def _count_failure(self, name: str, error: str) -> None:
        """Give a candidate up that fails and fails."""
        self._failures[name] += 1
        count = self._failures[name]
        if name not in self._given_up and count >= (_STOPPED_WORKING if name in self._worked else _NEVER_WORKED):
            self._given_up[name] = f"not sent: the {count} calls before it failed, the last with {error}"
            self.tally.news.append(f"{name}: {count} calls in a row failed, the rest is not sent. It said: {error}")
