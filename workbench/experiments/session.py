"""The asking of one experiment: what the journal has is taken, the rest is asked for, and a stop keeps what is done."""

from __future__ import annotations

import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.experiments.asking import FATAL, ChatClient, ask, told
from workbench.experiments.cell import Cell, Job
from workbench.experiments.journal import Journal
from workbench.experiments.workers import Workers

_NEVER_WORKED = 5
"""Failures in a row after which a candidate that has never answered is given up."""
_STOPPED_WORKING = 20
"""Failures in a row after which any candidate is given up."""
_IN_FLIGHT_SECONDS = 60.0
"""How long an interrupted experiment waits for calls under way."""


class Session:
    """Ask for the cells of one experiment."""

    def __init__(self, name: str, gateway: ChatClient | None, journal: Journal, experiment_id: str) -> None:
        self._name = name
        self._gateway = gateway
        self._journal = journal
        self._experiment_id = experiment_id
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._worked: set[str] = set()
        self._given_up: dict[str, str] = {}
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()

    def answers(self, jobs: Sequence[Job], *, concurrency: int, progress: bool, resume: bool) -> list[Cell]:
        """Return a cell for each job, in the order of the jobs."""
        kept = self._journal.find(job.key for job in jobs if job.key) if resume else {}
        done: dict[int, Cell] = {
            id(job): Cell(job, answer=kept[job.key], reused=True) for job in jobs if job.key in kept and job.key
        }
        missing = [job for job in jobs if id(job) not in done]

        def work(job: Job) -> Cell:
            # The thread itself puts the cell where it stays: an interrupt may hit the reader with a cell in its hand.
            done[id(job)] = cell = self._run(job)
            return cell

        workers = Workers(missing, work, count=concurrency, stop=self._stop)
        with tqdm(
            total=len(jobs), initial=len(done), desc=self._name, unit="cell", disable=not progress, dynamic_ncols=True
        ) as bar:
            if done:
                bar.set_postfix_str(f"{len(done)} from the journal")

            def take(cells: Iterable[Cell]) -> None:
                for _ in cells:
                    bar.update()
                    while progress and not self._news.empty():
                        bar.write(self._news.get())

            try:
                take(workers)
            except KeyboardInterrupt:
                self._finish(workers, take)
                raise KeyboardInterrupt(self._kept(done, jobs, "Interrupted")) from None
            except FATAL as error:
                take(workers.finish(5.0))
                raise _as_it_was(error, self._kept(done, jobs, str(error))) from error
            finally:
                self._stop.set()
        return [done[id(job)] for job in jobs]

    def _run(self, job: Job) -> Cell:
        name = job.candidate.name
        if (reason := self._given_up.get(name)) is not None:
            return Cell(job, error=reason, sent=False)
        started_at = datetime.now(UTC)
        try:
            answer = ask(job, gateway=self._gateway, experiment_id=self._experiment_id, stop=self._stop)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate raises is the candidate's failure
            self._count_failure(name, told(error))
            return Cell(job, error=told(error), started_at=started_at, ended_at=datetime.now(UTC))
        self._journal.write(job, answer, experiment_id=self._experiment_id)
        with self._counting:
            self._worked.add(name)
            self._failures[name] = 0
        return Cell(job, answer=answer)

    def _count_failure(self, name: str, error: str) -> None:
        """Give a candidate up that fails and fails. The threads count: they are faster than whoever reads the cells."""
        with self._counting:
            self._failures[name] += 1
            count = self._failures[name]
            if name not in self._given_up and count >= (_STOPPED_WORKING if name in self._worked else _NEVER_WORKED):
                self._given_up[name] = f"not sent: the {count} calls before it failed, the last with {error}"
                self._news.put(f"{name}: {count} calls in a row failed, the rest is not sent. The last said: {error}")

    def _finish(self, workers: Workers, take: Callable[[Iterable[Cell]], None]) -> None:
        """Take the calls under way, unless a second interrupt says not to wait."""
        sys.stderr.write("\nStopping: waiting for the calls under way. Interrupt again to leave them.\n")
        try:
            take(workers.finish(_IN_FLIGHT_SECONDS))
        except KeyboardInterrupt:
            return

    def _kept(self, done: Mapping[int, Cell], jobs: Sequence[Job], what: str) -> str:
        answered = [cell for cell in done.values() if cell.answer is not None]
        kept = sum(cell.job.key is not None for cell in answered)
        message = f"{what.rstrip('.')}. {len(answered)} of {len(jobs)} cells are answered"
        if kept == len(answered):
            return f"{message} and kept: run the same again to go on, and none of them is paid twice."
        return (
            f"{message}, {kept} of them kept: run the same again to go on. "
            "A callable's answers are kept if its candidate has a `version`."
        )


def _as_it_was(error: WorkbenchError, message: str) -> WorkbenchError:
    """Return an error of the same class that also tells what is kept."""
    kind = type(error)
    if kind.__init__ is WorkbenchError.__init__:
        return kind(message, code=error.error_code)
    error.add_note(message)
    return error
