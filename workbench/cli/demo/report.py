"""What the demo tells at its end: what ran, the comparison, what was promoted, the answer, cost, where to look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workbench.cli.demo.notebook_run import CellRun

METRIC = "fields_right"
_LOG_WIDTH = 120
_EXPERIMENT_MIME = "application/vnd.workbench.experiment+json"


@dataclass(frozen=True)
class Report:
    """The demo's outcome."""

    experiment: dict[str, Any]
    """Ids, figures and comparisons, as `Experiment.as_dict` gives them."""
    said: dict[str, str]
    """What the tagged cells showed, as text."""
    durations: list[tuple[str, float]]
    """Seconds by heading of the notebook."""
    notebook: Path
    """The executed notebook."""
    home: Path
    """WORKBENCH_HOME."""
    seconds: float
    """The whole demo."""

    @classmethod
    def of(cls, cells: list[CellRun], *, notebook: Path, home: Path, seconds: float) -> Report:
        """Gather the report from the cells that ran."""
        by_tag = {cell.tag: cell for cell in cells if cell.tag}
        outputs = by_tag["experiment"].outputs
        experiment = next(o["data"][_EXPERIMENT_MIME] for o in outputs if _EXPERIMENT_MIME in o.get("data", {}))
        by_title: dict[str, float] = {}
        for cell in cells:
            by_title[cell.title] = by_title.get(cell.title, 0.0) + cell.seconds
        said = {tag: cell.text for tag, cell in by_tag.items() if tag}
        return cls(experiment, said, list(by_title.items()), notebook, home, seconds)

    @property
    def promoted(self) -> bool:
        """Whether this run moved what is live."""
        return self.said["promotion"].startswith("promoted")

    @property
    def comparison(self) -> list[dict[str, Any]]:
        """Each candidate against the plain prompt on the metric of the gate."""
        rows: list[dict[str, Any]] = [r for r in self.experiment["comparisons"] if r["metric"] == METRIC]
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "experiment": self.experiment,
            "comparison": self.comparison,
            "promoted": self.promoted,
            "promotion": self.said["promotion"],
            "ratings": self.said["ratings"],
            "answer": self.said["answer"],
            "ledger": self.said["ledger"],
            "notebook": str(self.notebook),
            "home": str(self.home),
            "seconds": round(self.seconds, 1),
        }

    def show(self) -> None:
        """Print the report."""
        console = Console(highlight=False)
        if not console.is_terminal:  # a log has no width; 80 columns would break the figures
            console = Console(highlight=False, width=_LOG_WIDTH)
        console.print()
        console.print(Text("What ran", style="bold"))
        for title, seconds in self.durations:
            console.print(f"  {seconds:6.1f} s  {title}")
        console.print()
        console.print(self._candidates())
        console.print(self._verdicts())
        for title, tag in (("Ratings", "ratings"), ("Promotion", "promotion"), ("Answer from documents", "answer")):
            console.print(Panel(Text(self.said[tag]), title=title, title_align="left"))
        console.print(Panel(Text(self.said["ledger"]), title="The ledger, by model", title_align="left"))
        console.print(Text("Where to look", style="bold"))
        console.print(f"  the executed notebook  {self.notebook}", soft_wrap=True, markup=False)
        console.print(
            f"  runs, traces, ratings  MLflow experiment {self.experiment['name']!r}", soft_wrap=True, markup=False
        )
        console.print("  all of it              workbench up")
        console.print(f"\nDone in {self.seconds:.0f} s.")

    def _candidates(self) -> Table:
        data = self.experiment["dataset"]
        table = Table(title=f"{self.experiment['name']} on {data['n']} conversations", title_justify="left")
        for heading in ("candidate", "model", "answered", "fields right", "95 % interval", "cost USD", "p50 ms"):
            table.add_column(heading, justify="left" if heading in ("candidate", "model") else "right")
        for row in self.experiment["candidates"]:
            score = row["scores"][METRIC]
            cost = row["cost_usd"]
            table.add_row(
                row["name"],
                row["model"],
                f"{row['n']}" + (f" ({row['failed']} failed)" if row["failed"] else ""),
                _number(score["mean"], ".2f"),
                f"{_number(score['low'], '.2f')} to {_number(score['high'], '.2f')}",
                "unknown" if cost is None else f"{cost:.6f}",
                _number(row["latency_ms"]["p50"], ".0f"),
            )
        return table

    def _verdicts(self) -> Text:
        lines = [
            f"{row['candidate']} against {row['baseline']}: {row['difference']:+.2f} "
            f"[{row['low']:+.2f}, {row['high']:+.2f}], n = {row['n']}: {row['verdict']}"
            for row in self.comparison
        ]
        return Text("\n".join(lines) + "\n")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
