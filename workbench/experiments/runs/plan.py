"""What a run would do: its cells, the answers that the journal has, and what the catalogue says of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.client.models import dollars
from workbench.errors import InvalidInput, Unavailable
from workbench.evidence import Dataset, Scorer
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.catalogue import Catalogue
from workbench.experiments.calls.sending import ChatClient
from workbench.experiments.cells.candidate import Candidate
from workbench.experiments.cells.cell import Answer, Job, origin_of
from workbench.experiments.cells.journal import Journal


@dataclass(frozen=True)
class Plan:
    """The cells of a run before it begins."""

    jobs: Sequence[Job]
    """All of them, candidate by candidate."""
    kept: Mapping[str, Answer]
    """The answers that the journal has, by the key of their job."""
    catalogue: Catalogue | None
    """None where nothing is to be asked, or the client has no catalogue."""
    origin: str | None = None
    """URL of the gateway that answers; None for one of this machine."""

    @property
    def missing(self) -> list[Job]:
        """Jobs that are to be paid for."""
        return [job for job in self.jobs if job.key not in self.kept]

    def check_budget(self, usd: float, judges: Sequence[Scorer] = ()) -> None:
        """Raise InvalidInput for a budget that can't be kept, or does not even cover the dearest call of a cell."""
        if not usd >= 0:
            raise InvalidInput(f"budget_usd is an amount of US dollars, not {usd!r}.", param="budget_usd")
        asked = [job for job in self.missing if job.candidate.prompt is not None]
        worst = 0.0
        for job in asked:
            call = Call.of(job, experiment_id="", catalogue=self.catalogue)
            if call.worst_usd is None:
                raise _unpriced(call.model)
            worst = max(worst, call.worst_usd)
        for judge in [scorer.model for scorer in judges if scorer.asks and scorer.model is not None]:
            listed = self.catalogue.of(judge) if self.catalogue is not None else None
            if listed is None or listed.price is None:
                raise _unpriced(judge)
        if worst > usd:
            raise InvalidInput(
                f"budget_usd={usd:g} does not cover the dearest call, which can cost {dollars(worst)}.",
                hint="Set max_tokens, which bounds what an answer can cost, or allow more.",
                code="budget_too_small",
                param="budget_usd",
            )


def make_plan(
    candidates: Sequence[Candidate],
    data: Dataset,
    *,
    repeats: int,
    gateway: ChatClient | None,
    journal: Journal,
    resume: bool,
    needs_catalogue: bool,
    judges: Sequence[Scorer] = (),
) -> Plan:
    """Plan the cells, and hold the models that would be asked, those of `judges` too, against the gateway's catalogue.

    Raises NotFound for a model that is not there. A gateway that does not answer is waited for later, when it is asked;
    with `needs_catalogue` Unavailable is raised at once.
    """
    origin = origin_of(gateway)
    jobs = [Job.of(c, e, r, origin=origin) for c in candidates for e in data for r in range(repeats)]
    kept = journal.find(job.key for job in jobs if job.key) if resume else {}
    models = {
        job.candidate.model_name: None for job in jobs if job.key not in kept and job.candidate.prompt is not None
    }
    catalogue = None
    if models or needs_catalogue:
        try:
            catalogue = Catalogue.read(gateway)
        except Unavailable:
            if needs_catalogue:
                raise
    if catalogue is not None:
        asked = [*models, *(scorer.model for scorer in judges if scorer.asks)]
        catalogue.check(model for model in asked if model is not None)
    return Plan(jobs, kept, catalogue, origin)


def _unpriced(model: str | None) -> InvalidInput:
    return InvalidInput(
        f"budget_usd can't be kept: nobody knows the price of {model!r}.",
        hint="Give the model a price in the gateway's configuration, or run without budget_usd.",
        param="budget_usd",
    )
