"""The result of an experiment: its cells, and what can be read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.experiments import page, plot
from workbench.experiments.comparison import compare
from workbench.experiments.run_info import Bounds, RunInfo
from workbench.experiments.summary import summarise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

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
    """One row a cell: `candidate`, `example_id`, `repeat`, `output`, `error`, `request_id`, `trace_id`, `latency_ms`,
    `cost_usd`, `input_tokens`, `output_tokens`, `reused`, and `score.<scorer>` and `note.<scorer>` of each scorer."""

    @property
    def run_ids(self) -> dict[str, str]:
        """MLflow's run of each candidate; empty if nothing was written."""
        return {c.name: c.run_id for c in self.candidates if c.run_id is not None}

    @property
    def table(self) -> pd.DataFrame:
        """One row a candidate: cells answered and failed, mean and 95% interval by scorer, cost, latency, tokens."""
        return summarise(self.cells, self.candidates, self.scorers)

    def compare(
        self, metric: str | None = None, *, baseline: str | None = None, confidence: float = 0.95
    ) -> pd.DataFrame:
        """Compare every other candidate with the baseline (default: the first) on the examples that both answered.

        `metric` is a scorer (default: the first), or `cost_usd`, `latency_ms`, `input_tokens`, `output_tokens`, of
        which less is better. Repeats of an example are averaged first. The columns are `metric`, `baseline`, `mean`,
        `baseline_mean`, `difference`, `low`, `high`, `p_value` (adjusted by Holm's method where there are several
        comparisons), `n`, `excluded`, `verdict` (`better`, `worse`, `not distinguishable`) and `method`.
        """
        names = [c.name for c in self.candidates]
        return compare(self.cells, names, self.scorers, metric, baseline=baseline, confidence=confidence)

    def plot(self, metric: str | Sequence[str] | None = None) -> Figure:
        """Draw the mean of each scorer (or of those named) with its 95% interval, one row a candidate."""
        return plot.draw(self.table, list(self.scorers), metric)

    def as_dict(self) -> dict[str, Any]:
        """Return ids, figures and comparisons as JSON values."""
        return {
            "experiment_id": self.experiment_id,
            "name": self.name,
            "dataset": {"name": self.dataset, "hash": self.dataset_hash, "n": int(self.cells["example_id"].nunique())},
            "candidates": page.candidates_as_json(self.candidates, self.table, self.scorers),
            "comparisons": page.rows_as_json(self._comparisons()),
        }

    def _comparisons(self) -> list[pd.DataFrame]:
        """Return the comparison of every scorer with the first candidate as baseline."""
        return [self.compare(metric) for metric in self.scorers] if len(self.candidates) > 1 else []

    def _heading(self) -> str:
        count = self.cells["example_id"].nunique()
        return f"{self.name}: {len(self.candidates)} candidates on {count} examples of {self.dataset}"

    def __repr__(self) -> str:
        return page.as_text(self._heading(), self.experiment_id, self.table, self.scorers, self._comparisons())

    def _repr_html_(self) -> str:
        return page.as_html(self._heading(), self.experiment_id, self.table, self.scorers, self._comparisons())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        del include, exclude
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME: self.as_dict()}
