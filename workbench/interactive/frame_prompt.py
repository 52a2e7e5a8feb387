"""The work of `df.wb.prompt`: some rows first, then what the others will cost, then the others; nothing paid twice."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from workbench.client.models import dollars
from workbench.errors import InvalidInput
from workbench.evidence import Example
from workbench.evidence.canonical import content_hash, plain
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Cell, Job, origin_of
from workbench.experiments.cells.journal import Journal
from workbench.experiments.cells.price import Price
from workbench.experiments.runs.estimate import Estimate, estimate
from workbench.experiments.runs.session import Session
from workbench.interactive.chat import default_model
from workbench.interactive.preview import show_preview
from workbench.interactive.spending import Purse
from workbench.prompts import Prompt
from workbench.prompts.defaults import default_gateway
from workbench.settings import home_folder

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway
    from workbench.prompts.template import Template

_NAME = "df.wb.prompt"


@dataclass(frozen=True)
class Terms:
    """On which terms rows are asked."""

    preview: int
    """How many come first."""
    confirm: bool | None
    """Whether the others may follow; None: where they cost nothing or `max_usd` covers them."""
    max_usd: float | None
    """US dollars that the whole may cost."""
    concurrency: int
    """Calls under way at once."""
    progress: bool
    """Whether a bar is shown."""

    def __post_init__(self) -> None:
        if self.preview < 0 or self.concurrency < 1:
            raise InvalidInput(
                f"preview is at least 0 and concurrency at least 1, not {self.preview} and {self.concurrency}."
            )

    def refusal(self, expected: Estimate) -> str | None:
        """Return why the other rows are not to be asked; None if they are."""
        about = "an unknown amount" if expected.usd is None else f"about {dollars(expected.usd)}"
        if self.confirm is False:
            return "not sent: confirm=False"
        if self.max_usd is not None and expected.usd is None:
            return f"not sent: {expected.rows} rows cost {about}, so max_usd can't be kept"
        if self.max_usd is not None and expected.usd is not None and expected.usd > self.max_usd:
            return f"not sent: {expected.rows} rows cost {about}, and max_usd is {dollars(self.max_usd)}"
        if self.confirm or self.max_usd is not None or expected.usd == 0:
            return None
        return f"not sent: {expected.rows} rows cost {about}; pass confirm=True or max_usd="


def prompt_rows(
    frame: pd.DataFrame,
    template: Template | Prompt,
    *,
    model: str | None,
    into: str,
    terms: Terms,
    resume: bool,
    gateway: Gateway | None,
    parameters: Mapping[str, Any],
) -> pd.DataFrame:
    """Ask about each row; see `FrameAccessor.prompt`."""
    asked = gateway if gateway is not None else default_gateway()
    prompt = template if isinstance(template, Prompt) else Prompt(_NAME, template)
    chosen = model or prompt.parameters.get("model") or default_model(asked)
    candidate = Candidate(_NAME, prompt=prompt, model=chosen, parameters=parameters)
    jobs, empty = _jobs(frame, candidate, origin_of(asked))
    price = _price(chosen, asked)
    journal = Journal(home_folder())
    try:
        work = _Work(asked, journal, list({job.key: job for job in jobs if job is not None}.values()), resume=resume)
        sample = work.missing[: terms.preview]
        work.ask(sample, asked, terms, progress=False)
        shown = [cell for cell in work.done.values() if cell.answer is not None][: max(terms.preview, 0)]
        answered = [(cell.job, cell.answer) for cell in work.done.values() if cell.answer is not None]
        expected = estimate(answered, work.missing, price)
        refusal = terms.refusal(expected) if work.missing else None
        if terms.preview:
            show_preview(shown, expected, refusal, rows=len(frame))
        if refusal is None and work.missing:
            work.ask(work.missing, _held(asked, terms, work, expected), terms, progress=terms.progress)
    finally:
        journal.close()
    return _result(frame, jobs, empty, work.done, refusal, into=into)


class _Work:
    """The jobs of one DataFrame, and the cells of those that are done."""

    def __init__(self, gateway: ChatClient, journal: Journal, jobs: Sequence[Job], *, resume: bool) -> None:
        kept = journal.find(job.key for job in jobs if job.key) if resume else {}
        self._journal = journal
        self._jobs = jobs
        self._run_id = f"frame-{secrets.token_hex(8)}"
        self.done: dict[str | None, Cell] = {
            job.key: Cell(job, answer=kept[job.key], reused=True) for job in jobs if job.key in kept
        }

    @property
    def missing(self) -> list[Job]:
        """Jobs that were not asked, in their order."""
        return [job for job in self._jobs if job.key not in self.done]

    @property
    def spent(self) -> float:
        """US dollars that this run's own calls have cost so far."""
        costs = [cell.answer.cost_usd for cell in self.done.values() if cell.answer is not None and not cell.reused]
        return sum(cost for cost in costs if cost is not None)

    def ask(self, jobs: Sequence[Job], gateway: ChatClient, terms: Terms, *, progress: bool) -> None:
        """Ask for these jobs; raises KeyboardInterrupt with what is kept, and what every other call would meet too."""
        if not jobs:
            return
        session = Session(_NAME, gateway, self._journal, self._run_id)
        cells = session.answers(jobs, concurrency=terms.concurrency, progress=progress, resume=False)
        self.done.update((cell.job.key, cell) for cell in cells)


def _price(model: str, gateway: ChatClient) -> Price | None:
    catalogue = Catalogue.read(gateway)
    listed = catalogue.of(model) if catalogue is not None else None
    return listed.price if listed is not None else None


def _held(gateway: Gateway, terms: Terms, work: _Work, expected: Estimate) -> ChatClient:
    if terms.max_usd is None:
        return gateway
    return Purse(gateway, max_usd=terms.max_usd, spent=work.spent, expected=expected.usd_a_row)


def _jobs(frame: pd.DataFrame, candidate: Candidate, origin: str | None) -> tuple[list[Job | None], list[str | None]]:
    """Return a job for each row, or None and why it can't be asked."""
    assert candidate.prompt is not None
    names = {str(column): column for column in frame.columns}
    needed = candidate.prompt.required
    wanted = [name for name in candidate.prompt.variables if name in names or name in needed]
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            meant = f"Did you mean {{{{{near[0]}}}}}? " if near else ""
            raise InvalidInput(
                f"The prompt asks for {{{{{name}}}}}, and the DataFrame has no such column.",
                hint=f"{meant}Its columns: {', '.join(names)}.",
            )
    if not wanted:
        raise InvalidInput(
            "The prompt names no column, so all rows would be asked the same.", hint="Write {{column}} into it."
        )
    if twice := [name for name in wanted if list(map(str, frame.columns)).count(name) > 1]:
        raise InvalidInput(f"The DataFrame has more than one column {twice[0]!r}.", hint="Give each a name of its own.")
    jobs: list[Job | None] = []
    empty: list[str | None] = []
    columns = frame[[names[name] for name in wanted]].astype(object)
    for values in columns.where(columns.notna(), None).itertuples(index=False, name=None):
        row = plain(dict(zip(wanted, values, strict=True)), where="row")
        lacking = [name for name in needed if row[name] is None]
        row = {name: value for name, value in row.items() if value is not None}
        job = None if lacking else Job.of(candidate, Example(content_hash(row)[:12], row), 0, origin=origin)
        jobs.append(job)
        empty.append(f"not sent: {lacking[0]} is empty" if lacking else None)
    return jobs, empty


def _result(
    frame: pd.DataFrame,
    jobs: Sequence[Job | None],
    empty: Sequence[str | None],
    done: Mapping[str | None, Cell],
    refusal: str | None,
    *,
    into: str,
) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - it is loaded: there is a DataFrame

    prefix = "" if into == "output" else f"{into}_"
    outputs: list[Any] = []
    costs: list[Any] = []
    errors: list[Any] = []
    for job, why in zip(jobs, empty, strict=True):
        cell = done.get(job.key) if job is not None else None
        answer = cell.answer if cell is not None else None
        outputs.append(answer.output.text if answer else None)
        costs.append(answer.cost_usd if answer else None)
        errors.append(why or (cell.error if cell is not None else refusal))
    return frame.assign(
        **{
            into: pd.Series(outputs, index=frame.index, dtype=object),
            f"{prefix}cost_usd": pd.Series(costs, index=frame.index, dtype=float),
            f"{prefix}error": pd.Series(errors, index=frame.index, dtype=object),
        }
    )
