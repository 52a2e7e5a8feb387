"""The result of an experiment: its cells, and what can be read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.experiments.cells.price import Price
from workbench.experiments.results import page, report
from workbench.experiments.results.comparison import compare, meant
from workbench.experiments.results.disagreement import disagreements
from workbench.experiments.results.failure import failures
from workbench.experiments.results.pilot import plan_from
from workbench.experiments.results.plot import Kind, picture
from workbench.experiments.results.run_info import Bounds, RunInfo
from workbench.experiments.results.summary import summarise
from workbench.experiments.results.volume import MILLION, cost_of_volume, listed_prices
from workbench.prompts.defaults import default_gateway

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.client import Gateway
    from workbench.statistics import Plan

MIME = "application/vnd.workbench.experiment+json"
"""What a program looks for among a notebook's outputs."""


@dataclass(frozen=True, repr=False)
class Experiment:
    """What an experiment found. A notebook shows it as a table; `.compare()` and `.plot()` say who is better."""

    experiment_id: str
    """Its id; `experiments.load` reads it back by it."""
    name: str
    """Name of the MLflow experiment."""
    dataset: str
    """Name of the dataset."""
    dataset_hash: str
    """Hash of the dataset's content."""
    candidates: tuple[RunInfo, ...]
    """The candidates, in the order in which they were given."""
    scorers: Mapping[str, Bounds]
    """The scorers and their bounds, in the order in which they were given."""
    cells: pd.DataFrame = field(compare=False)
    """One row a cell: `candidate`, `example_id`, `group` (where examples have one), `repeat`, `output`, `error`,
    `request_id`, `trace_id` (None where no trace was written), `latency_ms`, `cost_usd`, `input_tokens`,
    `output_tokens`, `reused`, `judge_cost_usd` (where judges were paid), and `score.<scorer>` and `note.<scorer>` of
    each scorer."""
    less_is_better: tuple[str, ...] = ()
    """The scorers of which less is better."""
    judges: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict, compare=False)
    """The scorers that are judges, and how far each agrees with people; None: it was never measured."""
    environment: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Versions of Python and of the packages that it ran on."""
    spent_usd: float = field(default=0.0, compare=False)
    """US dollars that running it took, as a budget counts them: answers and judges, those of the journal aside, a call
    of unknown cost at the most that it can have cost; 0 for one that was read back."""

    @property
    def run_ids(self) -> dict[str, str]:
        """MLflow's run of each candidate; empty if nothing was written."""
        return {c.name: c.run_id for c in self.candidates if c.run_id is not None}

    def table(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """Return one row a candidate: how well, how sure, how dear, how fast.

        `n` cells were answered and `failed` were not. Each scorer has its mean over the examples (`score.<scorer>`),
        the ends of its interval (`.low`, `.high`), the number of examples (`.n`), what is taken as independent
        (`.unit`: `example`, or `group`) and how many of it there are (`.units`); so have `latency_ms_a_call` and
        `cost_usd_a_call`. `latency_ms_p50` and `latency_ms_p95` are over the answers, with `.low` and `.high`.
        `cost_usd` and the tokens are sums over the cells answered, from the journal too; a cost is NaN if that of any
        cell is unknown.
        """
        return summarise(self.cells, self.candidates, self.scorers, confidence=confidence)

    def compare(
        self,
        which: str | None = None,
        *,
        metric: str | None = None,
        baseline: str | None = None,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Compare every other candidate with the baseline (default: the first) on the examples that both answered.

        `which` is the baseline's name or the metric's; a word that is both raises InvalidInput. A metric is a scorer
        (default: the first), or `cost_usd`, `latency_ms`, `input_tokens`, `output_tokens`, of which less is better.
        Repeats of an example are averaged first, and examples of one group are one cluster. The columns are `metric`,
        `baseline`, `mean`, `baseline_mean`, `difference`, `low`, `high`, `p_value` (adjusted by Holm's method where
        there are several comparisons), `n`, `unit`, `units`, `excluded`, `verdict` (`better`, `worse`, `not
        distinguishable`) and `method`.
        """
        names = [c.name for c in self.candidates]
        metric, baseline = meant(self.cells, names, which, metric=metric, baseline=baseline)
        return compare(
            self.cells,
            names,
            self.scorers,
            metric,
            baseline=baseline,
            confidence=confidence,
            less_is_better=self.less_is_better,
        )

    def disagreements(self, limit: int | None = None) -> pd.DataFrame:
        """Return the examples that are worth a look, those on which most differs first.

        `spread` is the widest distance between two candidates' means on one scorer (`metric`, `best`, `worst`), from 0
        to 1 of what there can be; `scorer_spread` the widest distance between what two scorers with bounds say of one
        candidate (`scorer_candidate`); `outputs` counts the different answers. Examples on which nothing differs are
        left out.
        """
        found = disagreements(
            self.cells, [c.name for c in self.candidates], self.scorers, less_is_better=self.less_is_better
        )
        return found.head(limit) if limit is not None else found

    def failures(self) -> pd.DataFrame:
        """Return what has no figure: a row for each call that failed and for each answer that a scorer did not score.

        The columns are those that name the cell, `what` (`call`, or the scorer), `why`, `request_id` and `trace_id`.
        """
        return failures(self.cells, self.scorers)

    def cost_at(
        self,
        calls: int = MILLION,
        *,
        prices: Mapping[str, tuple[float, float]] | None = None,
        gateway: Gateway | None = None,
    ) -> pd.DataFrame:
        """Return what that many calls like these (a month's, say) would cost on each chat model that has a price.

        One row a candidate and model: `usd_a_call`, `usd` with its 95% interval `low` and `high`, `n` and `unit`; the
        interval tells how far the examples vary, and another model counts tokens a little differently. `prices` are US
        dollars per million tokens of prompt and answer; default: those of the gateway's catalogue. Raises InvalidInput
        if no price or no tokens are known.
        """
        if prices is None:
            chosen = listed_prices(gateway or default_gateway())
        else:
            chosen = {model: Price(*price) for model, price in prices.items()}
        return cost_of_volume(self.cells, self.candidates, calls, chosen)

    def plan(
        self, mde: float, *, power: float = 0.8, alpha: float = 0.05, metric: str | None = None, repeats: int = 1
    ) -> Plan:
        """Return how many rows, calls and dollars it takes to find a difference of `mde` on a metric, as seen here.

        This experiment is the pilot: how often its candidates differ from the first, how far, and what a call cost.
        With one candidate its own rate or spread is taken. Where examples have groups, rows are counted by how alike
        those of one group are, and `assumed` says so. Raises InvalidInput if candidates, or one candidate's grades, do
        not differ.
        """
        names = [c.name for c in self.candidates]
        return plan_from(
            self.cells, names, self.scorers, mde=mde, power=power, alpha=alpha, metric=metric, repeats=repeats
        )

    def plot(
        self,
        which: str | Sequence[str] | None = None,
        *,
        kind: Kind | None = None,
        prices: Mapping[str, tuple[float, float]] | None = None,
        gateway: Gateway | None = None,
    ) -> Figure:
        """Draw the result; every mean has its 95% interval.

        `which` is a kind, or the scorers that are meant. The kinds are `intervals` (default: one panel a scorer, one
        row a candidate), `cost` (cost of a call against quality; where all calls cost nothing, `volume`), `latency`
        (every answer's, with median and 95th percentile) and `volume` (what a million calls would cost on each model
        with a price: `prices` and `gateway` as in `cost_at`).
        """
        return picture(self, which, kind=kind, volume=lambda: self.cost_at(prices=prices, gateway=gateway))

    def report(self, path: str | Path) -> Path:
        """Write the whole result as one HTML file that needs no network, with its cells as a table to export."""
        return report.write(self, Path(path))

    def share(self, **options: Any) -> Any:
        """Return a link for raters; see `feedback.share`. Raises InvalidInput if the experiment is not in MLflow."""
        if not self.run_ids:
            raise InvalidInput("The experiment is not in MLflow, where raters find it.", hint="Run it with track=True.")
        return feedback.share(list(self.run_ids.values()), **options)

    def as_dict(self, *, baseline: str | None = None) -> dict[str, Any]:
        """Return ids, figures and comparisons as JSON values."""
        return {
            "experiment_id": self.experiment_id,
            "name": self.name,
            "dataset": {"name": self.dataset, "hash": self.dataset_hash, "n": int(self.cells["example_id"].nunique())},
            "candidates": page.candidates_as_json(self.candidates, self.table(), self.scorers),
            "comparisons": page.rows_as_json(self._comparisons(baseline)),
        }

    def as_text(self, *, baseline: str | None = None) -> str:
        """Return figures and comparisons as plain text."""
        compared = self._comparisons(baseline)
        return page.as_text(self._heading(), self.experiment_id, self.table(), self.scorers, compared)

    def _comparisons(self, baseline: str | None = None) -> list[pd.DataFrame]:
        """Return the comparison of every scorer with the baseline, by default the first candidate."""
        if len(self.candidates) < 2:
            return []
        return [self.compare(metric=metric, baseline=baseline) for metric in self.scorers]

    def _heading(self) -> str:
        count = self.cells["example_id"].nunique()
        return f"{self.name}: {len(self.candidates)} candidates on {count} examples of {self.dataset}"

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return page.as_html(self._heading(), self.experiment_id, self.table(), self.scorers, self._comparisons())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        del include, exclude
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: self.as_dict()}
