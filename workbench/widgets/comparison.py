"""Candidates side by side, named, with their figures, example by example; the blind way is `vote`."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

from workbench import feedback
from workbench.errors import InvalidInput, WorkbenchError
from workbench.tracking import connect
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import button, columns, controls, inputs_panel, output_panel
from workbench.widgets.subject import Subject, read
from workbench.widgets.voting import BlindComparison, vote

if TYPE_CHECKING:
    from workbench.experiments import Experiment
    from workbench.tracking.tracker import Tracker

_TWIN_EXAMPLES = 10


@overload
def compare(subject: Subject, *candidates: str, rater: str, tracker: Tracker | None = None) -> BlindComparison: ...


@overload
def compare(subject: Subject, *candidates: str, rater: None = None, tracker: Tracker | None = None) -> Comparison: ...


def compare(
    subject: Subject, *candidates: str, rater: str | None = None, tracker: Tracker | None = None
) -> Comparison | BlindComparison:
    """Show what candidates answered side by side, with scores, cost and latency, one example at a time.

    `subject` is an experiment, its id, or MLflow runs; `candidates` are names (default: all). With `rater` it is a
    blind vote on the first two, as `vote` shows it. Raises InvalidInput if a candidate is unknown.
    """
    if rater is not None:
        first, second, *more = (*candidates, None, None)
        if any(more):
            raise InvalidInput("A vote is between two candidates.", hint="Leave `rater` out to see all of them.")
        return vote(subject, first, second, rater=rater, tracker=tracker)
    tracker = tracker or connect()
    experiment = read(subject, tracker)
    known = [each.name for each in experiment.candidates]
    for name in candidates:
        if name not in known:
            raise InvalidInput(f"No candidate named {name!r}.", hint=f"Known: {', '.join(map(repr, known))}.")
    return Comparison(experiment, candidates or tuple(known), tracker=tracker)


class Comparison(Exhibit):
    """What candidates answered to each example. A notebook shows it as a widget with a static twin."""

    def __init__(self, experiment: Experiment, names: tuple[str, ...], *, tracker: Tracker) -> None:
        super().__init__()
        self._experiment = experiment
        self._names = names
        self._tracker = tracker
        cells = experiment.cells[experiment.cells["candidate"].isin(names)]
        self._cells: dict[tuple[str, int], dict[str, dict[Any, Any]]] = {}
        for cell in cells.to_dict(orient="records"):
            self._cells.setdefault((cell["example_id"], cell["repeat"]), {})[cell["candidate"]] = cell
        self._only_different = False
        self._at = 0

    @property
    def examples(self) -> list[tuple[str, int]]:
        """The examples that are looked at, each with the number of its repeat."""
        if not self._only_different:
            return list(self._cells)
        return [each for each, cells in self._cells.items() if len({_content(cell) for cell in cells.values()}) > 1]

    def __repr__(self) -> str:
        return f"{self._experiment.name}: {' | '.join(self._names)} on {len(self._cells)} examples"

    # -- what is shown

    def _title(self) -> str:
        return "Candidates side by side"

    def _body(self) -> str:
        shown = self.examples
        differ = button(
            "differ", "Show all examples" if self._only_different else "Only where they differ", keys="d", shown="d"
        )
        if not shown:
            return f"<p>All candidates answered alike.</p>{controls('Examples', differ)}"
        self._at %= len(shown)
        last = len(shown) - 1
        moves = (
            button("back", "Back", keys="ArrowLeft j", shown="←", disabled=self._at == 0),
            button("next", "Next", keys="ArrowRight k", shown="→", disabled=self._at == last),
            differ,
        )
        place = f"<span>{self._at + 1} of {len(shown)}</span>"
        return f"{controls('Examples', *moves, place)}{self._example(shown[self._at], height='24em')}"

    def _static(self) -> str:
        shown = list(self._cells)[:_TWIN_EXAMPLES]
        more = f", the first {_TWIN_EXAMPLES} of {len(self._cells)}" if len(self._cells) > len(shown) else ""
        examples = "".join(self._example(each, height="12em") for each in shown)
        return (
            f"<p>{html.escape(repr(self))}</p>{self._experiment._repr_html_()}"
            f"<details><summary>{len(shown)} examples with their outputs{more}</summary>{examples}</details>"
        )

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        del fields
        if verb == "differ":
            self._only_different, self._at = not self._only_different, 0
        elif verb in ("next", "back"):
            self._at = max(0, self._at + (1 if verb == "next" else -1))
        else:
            raise InvalidInput(f"There is nothing named {verb!r} to do.")
        return f"Example {self._at + 1} of {len(self.examples)}" if self.examples else ""

    # -- how

    def _example(self, example: tuple[str, int], *, height: str) -> str:
        cells = self._cells[example]
        repeat = f", repeat {example[1] + 1}" if example[1] else ""
        panels = [(name, _cell(cells[name], height)) for name in self._names if name in cells]
        return f"<p><b>{html.escape(example[0])}</b>{repeat}</p>{self._asked(cells)}{columns(panels)}"

    def _asked(self, cells: Mapping[str, Mapping[Any, Any]]) -> str:
        """Return the example's inputs, which stand in MLflow alone."""
        if not self._experiment.run_ids:
            return ""
        trace_id = next((cell["trace_id"] for cell in cells.values() if cell["trace_id"]), None)
        try:
            return inputs_panel(feedback.answer(trace_id, tracker=self._tracker).variables) if trace_id else ""
        except WorkbenchError as error:  # the outputs are worth a look without it
            return f"<p><i>{html.escape(error.message)}</i></p>"


def _content(cell: Mapping[Any, Any]) -> str:
    return repr((cell["output"], cell.get("images"), cell["error"]))


def _cell(cell: Mapping[Any, Any], height: str) -> str:
    output, images = cell["output"], cell.get("images") or ()
    if cell["error"]:
        shown = f"<i>{html.escape(str(cell['error']))}</i>"
    else:
        shown = output_panel(output if isinstance(output, str) else None, images, height=height)
    figures = [
        f"{column.removeprefix('score.')} {value:.3g}"
        for column, value in cell.items()
        if str(column).startswith("score.") and isinstance(value, float) and not math.isnan(value)
    ]
    if not math.isnan(cell["cost_usd"]):
        figures.append(f"${cell['cost_usd']:.6f}")
    if not math.isnan(cell["latency_ms"]):
        figures.append(f"{cell['latency_ms'] / 1000:.2f} s")
    return f"{shown}<small>{html.escape(' · '.join(figures))}</small>"
