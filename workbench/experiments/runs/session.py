"""The asking of one experiment: what the journal has is taken, the rest is asked for, and a stop keeps what is done.

An event loop in a thread of its own sends, so that it works inside a notebook, whose own loop is running; the thread
that waits for it shows the progress and hears interrupts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.experiments.calls.asking import FATAL
from workbench.experiments.calls.backend import Backend, LocalBackend
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.cell import Answer, Cell, Job
from workbench.experiments.cells.journal import Journal
from workbench.experiments.runs.judging import Judging
from workbench.experiments.runs.loop import Loop
from workbench.experiments.runs.stop_button import StopButton
from workbench.experiments.runs.tally import Tally

_LOOK_SECONDS = 0.1
"""How often the progress is shown anew."""


class Session:
    """Ask for the cells of one experiment."""

    def __init__(
        self,
        name: str,
        gateway: ChatClient | None,
        journal: Journal,
        experiment_id: str,
        *,
        judging: Judging | None = None,
        catalogue: Catalogue | None = None,
        budget_usd: float | None = None,
        backend: Backend | None = None,
    ) -> None:
        self._name = name
        self._gateway = gateway
        self._journal = journal
        self._experiment_id = experiment_id
        self._judging = judging or Judging((), journal, experiment_id=experiment_id)
        self._catalogue = catalogue
        self._budget_usd = budget_usd
        self._backend = backend or LocalBackend()
        self.spent = 0.0
        """US dollars that count against the budget."""
        self.stopped: str | None = None
        """What is left, and why, where a budget or a press of the button ended the run before its time."""

    def answers(
        self,
        jobs: Sequence[Job],
        *,
        concurrency: int,
        progress: bool,
        resume: bool,
        kept: Mapping[str, Answer] | None = None,
    ) -> list[Cell]:
        """Return a cell for each job, in the order of the jobs.

        `kept` are the answers that the journal has, where they are known already. Cells are asked for example by
        example, so that what is done when a run is stopped can be compared.
        """
        if kept is None:
            kept = self._journal.find(job.key for job in jobs if job.key) if resume else {}
        done: dict[int, Cell] = {
            id(job): Cell(job, answer=kept[job.key], reused=True) for job in jobs if job.key in kept and job.key
        }
        reused = len(done)
        unjudged = self._judging.look((cell.job, cell.answer) for cell in done.values() if cell.answer is not None)
        asked = {id(job): done.pop(id(job)).answer for job in unjudged}
        missing = _by_example([job for job in jobs if id(job) not in done])
        for place, cell in list(done.items()):
            if self._judging.scorers and cell.answer is not None:
                scores = self._judging.known(cell.job, cell.answer)
                done[place] = Cell(cell.job, answer=cell.answer, reused=True, scores=scores)
        tally = Tally(done=len(done))
        tally.expect(missing)
        if missing:
            keys = [job.key for job in missing if job.key and id(job) not in asked]
            loop = Loop(
                self._backend,
                self._gateway,
                self._journal,
                judging=self._judging,
                catalogue=self._catalogue,
                budget_usd=self._budget_usd,
                experiment_id=self._experiment_id,
                tally=tally,
                done=done,
                doubtful=self._journal.doubtful(keys) if resume else {},
            )
            self._watch(loop, missing, asked, jobs, concurrency=concurrency, progress=progress, reused=reused)
            self.spent += loop.spent
            for job in missing:
                if id(job) not in done:
                    answer = asked.get(id(job))
                    why = loop.why_stopped or "not sent: stopped"
                    done[id(job)] = Cell(
                        job, answer=answer, error=None if answer else why, sent=False, reused=bool(answer)
                    )
            short = loop.why_stopped or self._judging.stopped
            if short is not None and loop.error is None:
                self.stopped = self._kept(done, jobs, short)
        return [done[id(job)] for job in jobs]

    def _watch(
        self,
        loop: Loop,
        missing: Sequence[Job],
        asked: Mapping[int, Answer | None],
        jobs: Sequence[Job],
        *,
        concurrency: int,
        progress: bool,
        reused: int,
    ) -> None:
        """Show how far the loop is until it ends; raises what ended it."""
        with (
            tqdm(
                total=len(jobs),
                initial=loop.tally.done,
                desc=self._name,
                unit="cell",
                disable=not progress,
                dynamic_ncols=True,
            ) as bar,
            StopButton(lambda: loop.stop("not sent: stopped"), shown=progress),
        ):
            if reused:
                bar.set_postfix_str(f"{reused} from the journal")

            def show() -> None:
                _show(loop.tally, bar, news=progress)

            try:
                loop.start(missing, asked, concurrency=concurrency)
                while not loop.ended.wait(_LOOK_SECONDS):
                    show()
            except KeyboardInterrupt:
                loop.stop("Interrupted")
                self._finish(loop, show)
                raise KeyboardInterrupt(self._kept(loop.done, jobs, "Interrupted")) from None
            finally:
                if not loop.ended.is_set():
                    loop.stop("not sent: stopped")
            show()
        if isinstance(loop.error, FATAL):
            raise _as_it_was(loop.error, self._kept(loop.done, jobs, str(loop.error))) from loop.error
        if loop.error is not None:
            raise loop.error

    def _finish(self, loop: Loop, show: Callable[[], None]) -> None:
        """Take the calls under way, unless a second interrupt says not to wait."""
        sys.stderr.write("\nStopping: waiting for the calls under way. Interrupt again to leave them.\n")
        try:
            while not loop.ended.wait(_LOOK_SECONDS):
                show()
        except KeyboardInterrupt:
            loop.leave()

    def _kept(self, done: Mapping[int, Cell], jobs: Sequence[Job], what: str) -> str:
        answered = [cell for cell in list(done.values()) if cell.answer is not None]
        kept = sum(cell.job.key is not None for cell in answered)
        message = f"{what.rstrip('.')}. {len(answered)} of {len(jobs)} cells are answered"
        if kept == len(answered):
            return f"{message} and kept: run the same again to go on, and none of them is paid twice."
        return (
            f"{message}, {kept} of them kept: run the same again to go on. "
            "A callable's answers are kept if its candidate has a `version`."
        )


def _show(tally: Tally, bar: tqdm[NoReturn], *, news: bool) -> None:
    bar.update(tally.done - bar.n)
    if money := tally.money:
        bar.set_postfix_str(money)
    while tally.news:
        told = tally.news.popleft()
        if news:
            bar.write(told)


def _by_example(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs example by example, each with its candidates in their order."""
    places: dict[str, int] = {}
    for job in jobs:
        places.setdefault(job.example.id, len(places))
    return sorted(jobs, key=lambda job: (job.repeat, places[job.example.id]))


def _as_it_was(error: WorkbenchError, message: str) -> WorkbenchError:
    """Return an error of the same class that also tells what is kept."""
    kind = type(error)
    if kind.__init__ is WorkbenchError.__init__:
        return kind(message, code=error.error_code)
    error.add_note(message)
    return error
