"""What an experiment will cost, told before anything is sent."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.client.models import dollars
from workbench.evidence import Dataset, Example, Scorer
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.checking import as_dataset, check_client, check_parts
from workbench.experiments.cells.journal import Journal
from workbench.experiments.runs.estimate import Estimate, estimate
from workbench.experiments.runs.plan import Plan, make_plan
from workbench.prompts.defaults import default_gateway
from workbench.settings import home_folder

if TYPE_CHECKING:
    from workbench.experiments.cells.cell import Job

COLUMNS = ["model", "cells", "from_journal", "to_pay", "input_tokens", "output_tokens", "usd", "usd_low", "usd_high"]


@dataclass(frozen=True, repr=False)
class Preview:
    """What a run would do and cost. A notebook shows it as a table."""

    table: pd.DataFrame
    """One row a candidate: `model`, `cells`, `from_journal`, `to_pay`, and of those to pay the expected `input_tokens`,
    `output_tokens` and `usd`, with the ends `usd_low` and `usd_high` of its 95% interval (NaN: nobody knows)."""
    judges: tuple[str, ...] = ()
    """Scorers whose calls come beside that: what they read is only known once there are answers."""
    gateway: str | None = None
    """URL of the gateway that answers, and whose answers alone the journal is asked for; None: one of this machine."""

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.table["cells"].sum())

    @property
    def to_pay(self) -> int:
        """Number of cells that the journal has no answer to."""
        return int(self.table["to_pay"].sum())

    @property
    def usd(self) -> float | None:
        """US dollars that the cells to pay will cost; None if nobody knows."""
        return self._sum("usd")

    @property
    def low(self) -> float | None:
        """Lower end of the interval of `usd`, the sum of the candidates' lower ends; None if nobody knows."""
        return self._sum("usd_low")

    @property
    def high(self) -> float | None:
        """Upper end; None if nobody knows."""
        return self._sum("usd_high")

    def _sum(self, column: str) -> float | None:
        values = self.table[column]
        return None if values.isna().any() else float(values.sum())

    def _told(self) -> str:
        at = f" at {self.gateway}" if self.gateway is not None else ""
        told = f"{self.cells} cells, {self.cells - self.to_pay} of them in the journal, {self.to_pay} to pay{at}: "
        told += "nobody knows what they cost" if self.usd is None else f"about {dollars(self.usd)}"
        if self.to_pay and self.low is not None and self.high is not None and self.high:
            told += f" ({dollars(self.low)} to {dollars(self.high)})"
        return told + (f", and the calls of {', '.join(self.judges)}." if self.judges else ".")

    def __repr__(self) -> str:
        return f"{self._told()}\n{self.table}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._told())}</p>{self.table.to_html(na_rep='')}"


def preview(
    candidates: Sequence[Candidate],
    dataset: Dataset | Sequence[Mapping[str, Any] | Example] | pd.DataFrame,
    scorers: Sequence[Scorer] = (),
    *,
    gateway: ChatClient | None = None,
    repeats: int = 1,
    resume: bool = True,
) -> Preview:
    """Return what a run of the same arguments would do and cost; nothing is sent but a question for the catalogue.

    Every prompt is rendered, and every model looked up: what `run` would refuse is refused here. The figures follow
    from the answers that the journal has of the same candidate, else of others on the same model; without any the
    interval reaches to what the calls can cost at most. Raises InvalidInput, NotFound, GatewayUnreachable.
    """
    check_client(gateway)
    data = as_dataset(dataset)
    check_parts(candidates, data, scorers, repeats=repeats)
    if gateway is None and any(candidate.prompt for candidate in candidates):
        gateway = default_gateway()
    journal = Journal(home_folder())
    try:
        plan = make_plan(
            candidates,
            data,
            repeats=repeats,
            gateway=gateway,
            journal=journal,
            resume=resume,
            needs_catalogue=True,
            judges=scorers,
        )
    finally:
        journal.close()
    return preview_of(plan, candidates, scorers)


def preview_of(plan: Plan, candidates: Sequence[Candidate], scorers: Sequence[Scorer]) -> Preview:
    """Return what a plan will cost."""
    own: dict[str, list[Job]] = {candidate.name: [] for candidate in candidates}
    for job in plan.jobs:
        own[job.candidate.name].append(job)
    rows = []
    for candidate in candidates:
        jobs = own[candidate.name]
        missing = [job for job in jobs if job.key not in plan.kept]
        expected = _expected(plan, candidate, jobs, missing)
        counts = (candidate.model_name, len(jobs), len(jobs) - len(missing), len(missing))
        rows.append((*counts, expected.input_tokens, expected.output_tokens, expected.usd, expected.low, expected.high))
    table = pd.DataFrame(rows, columns=COLUMNS, index=pd.Index([c.name for c in candidates], name="candidate"))
    figures = COLUMNS[4:]
    table[figures] = table[figures].astype("float64")
    return Preview(table, tuple(scorer.name for scorer in scorers if scorer.asks), plan.origin)


def _expected(plan: Plan, candidate: Candidate, jobs: Sequence[Job], missing: Sequence[Job]) -> Estimate:
    listed = None
    if candidate.prompt is not None and candidate.model_name is not None and plan.catalogue is not None:
        listed = plan.catalogue.of(candidate.model_name)
    price = listed.price if listed is not None else None
    sample = [(job, plan.kept[job.key]) for job in jobs if job.key in plan.kept and job.key]
    if not sample and candidate.prompt is not None:
        sample = [
            (job, plan.kept[job.key])
            for job in plan.jobs
            if job.key in plan.kept and job.key and job.candidate.prompt is not None
            and job.candidate.model_name == candidate.model_name
        ]  # fmt: skip
    most = listed.most_output(candidate.arguments) if listed is not None else None
    return estimate(sample, missing, price, most_output=most)
