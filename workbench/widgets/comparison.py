"""Two candidates side by side, blind: which output is better? Each vote is written before the next pair is shown."""

from __future__ import annotations

import html
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.feedback.pair import rater_seed
from workbench.tracking import connect
from workbench.widgets.panels import output_panel, side_by_side
from workbench.widgets.voting import VotingView

if TYPE_CHECKING:
    from workbench.experiments import Experiment
    from workbench.feedback import Answer, Choice, Pair, Tally
    from workbench.tracking.tracker import Tracker

_TWIN_PAIRS = 10


def compare(
    experiment: Experiment,
    a: str | None = None,
    b: str | None = None,
    *,
    rater: str,
    tracker: Tracker | None = None,
) -> BlindComparison:
    """Show the outputs of two candidates side by side, blind and on shuffled sides, with buttons to vote.

    `a` and `b` are candidates' names (default: the first two); `rater` is who votes, written to MLflow with source
    HUMAN. A rater who comes back goes on with the pairs that are left. Without ipywidgets, or outside a notebook, use
    `.current` and `.vote(...)`. Raises InvalidInput if a candidate is unknown or the experiment is not in MLflow.
    """
    runs = experiment.run_ids
    if not runs:
        raise InvalidInput("The experiment is not in MLflow, and votes go there.", hint="Run it with `track=True`.")
    a = a or next(iter(runs))
    b = b or next((name for name in runs if name != a), "")
    for name in (a, b):
        if name not in runs:
            raise InvalidInput(f"No candidate named {name!r}.", hint=f"Known: {', '.join(map(repr, runs))}.")
    if not rater.strip():
        raise InvalidInput("A vote needs a rater.", hint="Pass your name.")
    return BlindComparison(experiment, a, b, rater=rater.strip(), tracker=tracker or connect())


class BlindComparison:
    """A blind comparison by one rater. A notebook shows it as a widget with a static twin."""

    def __init__(self, experiment: Experiment, a: str, b: str, *, rater: str, tracker: Tracker) -> None:
        self._experiment = experiment
        self._names = (a, b)
        self._runs = (experiment.run_ids[a], experiment.run_ids[b])
        self._rater = rater
        self._tracker = tracker
        self._twin: Any = None
        self.progress: tuple[int, int] = feedback.progress(rater, *self._runs, tracker=tracker)
        """How many pairs the rater has voted on, and how many there are."""
        self.current: Pair | None = feedback.next_pair(rater, *self._runs, tracker=tracker)
        """The pair that waits for a vote; None if there is none left."""
        # The rater's own order, read once: asking MLflow for the next pair after each vote makes people wait.
        mine = feedback.pairs(*self._runs, seed=rater_seed(rater), tracker=tracker)
        self._following = mine[mine.index(self.current) + 1 :] if self.current in mine else []

    def answers(self) -> tuple[Answer, Answer]:
        """Return what the current pair shows on the left and on the right."""
        if self.current is None:
            raise InvalidInput("No pair is left to look at.")
        return self.current.answers(tracker=self._tracker)

    def vote(self, choice: Choice, *, comment: str | None = None) -> Pair | None:
        """Vote on the current pair (`left`, `right`, `tie`, `both_bad`); return the next pair, None after the last."""
        if self.current is None:
            raise InvalidInput("No pair is left to vote on.")
        feedback.vote(self.current, choice, self._rater, comment=comment, tracker=self._tracker)
        self.progress = (self.progress[0] + 1, self.progress[1])
        if self._following:
            self.current = self._following.pop(0)
        else:
            self.current = feedback.next_pair(self._rater, *self._runs, tracker=self._tracker)
        if self.current is None and self._twin is not None:
            self._twin.update(self._static(), raw=True)
        return self.current

    def tally(self) -> Tally:
        """Count the votes of all raters; this tells which candidate won, so look at the end."""
        return feedback.tally(*self._runs, tracker=self._tracker)

    # -- what is shown

    def __repr__(self) -> str:
        if self.current is not None:
            done, count = self.progress
            ways = "'left' | 'right' | 'tie' | 'both_bad'"
            return f"{self._heading()}: {done} of {count} pairs voted. Vote below, or with .vote({ways})."
        return f"{self._heading()}: {self.result()}"

    def result(self) -> str:
        """Return the tally in one sentence."""
        tally = self.tally()
        if tally.n == 0:
            return f"no votes; {tally.identical} examples have the same output from both"
        first, second = self._names
        return f"{first} : {second} = {tally} ({tally.raters} raters, {tally.left_wins} for the left side)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        del include, exclude
        return {**self._view(), **self._static()}

    def _ipython_display_(self) -> None:
        """Show the static twin and the widget as two outputs: without a kernel JupyterLab hides a widget's own twin."""
        from IPython.display import display  # noqa: PLC0415 - there is no notebook where it is missing

        self._twin = display(self._static(), raw=True, display_id=True)
        if view := self._view():
            display(view, raw=True)

    def _view(self) -> dict[str, Any]:
        if find_spec("ipywidgets") is None:
            return {}
        bundle: dict[str, Any] = VotingView(self).widget._repr_mimebundle_()
        return {key: value for key, value in bundle.items() if key.startswith("application/")}

    def _static(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        cells = {cell["trace_id"]: cell for cell in self._experiment.cells.to_dict(orient="records")}
        found = feedback.pairs(*self._runs, tracker=self._tracker)
        rows = "".join(
            side_by_side(pair.example_id, _static_output(cells[pair.left]), _static_output(cells[pair.right]))
            for pair in found[:_TWIN_PAIRS]
        )
        more = f", the first {_TWIN_PAIRS}" if len(found) > _TWIN_PAIRS else ""
        return (
            f"<p>{html.escape(repr(self))}</p><details><summary>{len(found)} pairs of outputs, blind{more}</summary>"
            f"{rows}</details>"
        )

    def _heading(self) -> str:
        return f"Blind comparison of {self._experiment.name} by {self._rater}"


def _static_output(cell: dict[Any, Any]) -> str:
    output, images = cell["output"], cell.get("images") or ()
    return output_panel(output if isinstance(output, str) else None, images, height="12em")
