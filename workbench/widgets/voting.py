"""A blind vote: two outputs side by side, which is better? Each vote is written before the next pair is shown."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.feedback.pair import rater_seed
from workbench.tracking import connect
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import answer_panel, button, columns, controls, inputs_panel, output_panel, progress_bar
from workbench.widgets.subject import Subject, need_runs, read

if TYPE_CHECKING:
    from workbench.experiments import Experiment
    from workbench.feedback import Answer, Choice, Pair, Tally
    from workbench.tracking.tracker import Tracker

_TWIN_PAIRS = 10
_KEYS: dict[Choice, tuple[str, str]] = {
    "left": ("ArrowLeft j 1", "←"),
    "tie": ("2", "2"),
    "both_bad": ("3", "3"),
    "right": ("ArrowRight k 4", "→"),
}
"""The keys of each choice, and the one that its button names."""


def vote(
    subject: Subject,
    a: str | None = None,
    b: str | None = None,
    *,
    rater: str | None = None,
    tracker: Tracker | None = None,
) -> BlindComparison:
    """Show the outputs of two candidates side by side, blind and on shuffled sides, to vote by buttons or keys.

    `subject` is an experiment, its id, or two MLflow runs; `a` and `b` are candidates' names (default: the first two).
    `rater` is who votes (default: the user of this machine), written to MLflow with source HUMAN. A rater who comes
    back goes on with the pairs that are left. Without anywidget, or outside a notebook, use `.current` and
    `.vote(...)`. Raises InvalidInput if a candidate is unknown or the experiment is not in MLflow.
    """
    tracker = tracker or connect()
    experiment = read(subject, tracker)
    runs = need_runs(experiment, "votes")
    a = a or next(iter(runs))
    b = b or next((name for name in runs if name != a), "")
    for name in (a, b):
        if name not in runs:
            raise InvalidInput(f"No candidate named {name!r}.", hint=f"Known: {', '.join(map(repr, runs))}.")
    rater = feedback.local_rater() if rater is None else rater.strip()
    if not rater:
        raise InvalidInput("A vote needs a rater.", hint="Pass your name.")
    return BlindComparison(experiment, a, b, rater=rater, tracker=tracker)


class BlindComparison(Exhibit):
    """A blind comparison by one rater. A notebook shows it as a widget with a static twin.

    Neither tells which candidate an output is from, not even in the widget's saved state.
    """

    def __init__(self, experiment: Experiment, a: str, b: str, *, rater: str, tracker: Tracker) -> None:
        super().__init__()
        self._experiment = experiment
        self._names = (a, b)
        self._runs = (experiment.run_ids[a], experiment.run_ids[b])
        self._rater = rater
        self._tracker = tracker
        self.progress: tuple[int, int] = feedback.progress(rater, *self._runs, tracker=tracker)
        """How many pairs the rater has voted on, and how many there are."""
        self.current: Pair | None = feedback.next_pair(rater, *self._runs, tracker=tracker)
        """The pair that waits for a vote; None if there is none left."""
        # The rater's own order, read once: asking MLflow for the next pair after each vote makes people wait.
        mine = feedback.pairs(*self._runs, seed=rater_seed(rater, tracker=tracker), tracker=tracker)
        self._following = mine[mine.index(self.current) + 1 :] if self.current in mine else []

    def answers(self) -> tuple[Answer, Answer]:
        """Return what the current pair shows on the left and on the right."""
        if self.current is None:
            raise InvalidInput("No pair is left to look at.")
        return self.current.answers(tracker=self._tracker)

    def vote(self, choice: Choice, *, comment: str | None = None) -> Pair | None:
        """Vote on the current pair (`left`, `right`, `tie`, `both_bad`); return the next pair, None after the last."""
        self._write(choice, comment)
        self._redraw()
        return self.current

    def tally(self) -> Tally:
        """Count the votes of all raters; this tells which candidate won, so look at the end."""
        return feedback.tally(*self._runs, tracker=self._tracker)

    def result(self) -> str:
        """Return the tally in one sentence."""
        tally = self.tally()
        if tally.n == 0:
            return f"no votes; {tally.identical} examples have the same output from both"
        first, second = self._names
        return f"{first} : {second} = {tally} ({tally.raters} raters, {tally.left_wins} for the left side)"

    def __repr__(self) -> str:
        if self.current is not None:
            ways = "'left' | 'right' | 'tie' | 'both_bad'"
            return f"{self._heading()}: {self._progress()}. Vote below, or with .vote({ways})."
        return f"{self._heading()}: {self.result()}"

    # -- what is shown

    def _title(self) -> str:
        return "Blind vote: which answer is better?"

    def _body(self) -> str:
        head = progress_bar(*self.progress, self._progress())
        if self.current is None:
            return f"{head}<p><b>You have voted on every pair.</b> {html.escape(self.result())}</p>"
        left, right = self.answers()
        sides = columns([("Left", answer_panel(left)), ("Right", answer_panel(right))])
        buttons = [button(choice, words, keys=_KEYS[choice][0], shown=_KEYS[choice][1]) for choice, words in
                   feedback.CHOICES]  # fmt: skip
        hint = "Keys, once you clicked here or came by Tab: ← or j, 2, 3, → or k; 1 to 4 from left to right."
        return (
            f"{head}<p><b>What was asked</b></p>{inputs_panel(left.variables)}{sides}"
            f'{controls("Which answer is better?", *buttons)}<p class="wb-hint">{hint}</p>'
        )

    def _static(self) -> str:
        cells = {cell["trace_id"]: cell for cell in self._experiment.cells.to_dict(orient="records")}
        found = feedback.pairs(*self._runs, tracker=self._tracker)
        rows = "".join(
            f"<p><b>{html.escape(pair.example_id)}</b></p>"
            + columns([("Left", _output(cells[pair.left])), ("Right", _output(cells[pair.right]))])
            for pair in found[:_TWIN_PAIRS]
        )
        more = f", the first {_TWIN_PAIRS}" if len(found) > _TWIN_PAIRS else ""
        return (
            f"<p>{html.escape(repr(self))}</p><details><summary>{len(found)} pairs of outputs, blind{more}</summary>"
            f"{rows}</details>"
        )

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        del fields
        self._write(verb, None)
        return "Your vote is written."

    def _ended(self) -> bool:
        return self.current is None

    # -- how

    def _write(self, choice: Any, comment: str | None) -> None:
        if self.current is None:
            raise InvalidInput("No pair is left to vote on.")
        feedback.vote(self.current, choice, self._rater, comment=comment, tracker=self._tracker)
        self.progress = (self.progress[0] + 1, self.progress[1])
        if self._following:
            self.current = self._following.pop(0)
        else:
            self.current = feedback.next_pair(self._rater, *self._runs, tracker=self._tracker)

    def _progress(self) -> str:
        done, count = self.progress
        return f"{done} of {count} pairs voted"

    def _heading(self) -> str:
        return f"Blind comparison of {self._experiment.name} by {self._rater}"


def _output(cell: Mapping[Any, Any]) -> str:
    output, images = cell["output"], cell.get("images") or ()
    return output_panel(output if isinstance(output, str) else None, images, height="12em")
