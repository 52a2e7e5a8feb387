"""One answer at a time, rated with stars or a thumb; which candidate it is from is not told."""

from __future__ import annotations

import html
from collections.abc import Mapping
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Literal

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.feedback.rating import STARS
from workbench.tracking import connect
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import answer_panel, button, controls, inputs_panel, progress_bar
from workbench.widgets.subject import Subject, need_runs, read

if TYPE_CHECKING:
    from workbench.feedback import Answer
    from workbench.tracking.tracker import Tracker

Scale = Literal["stars", "thumbs"]
_TWIN_ANSWERS = 10
_SCALES: dict[str, tuple[tuple[bool | int, str, str, str], ...]] = {
    "stars": tuple((stars, f"{stars} ★", str(stars), str(stars)) for stars in STARS),
    "thumbs": ((True, "👍 Good", "ArrowUp k 1", "↑"), (False, "👎 Bad", "ArrowDown j 2", "↓")),
}
"""Of each scale the values with their words, their keys, and the key that is shown."""


def rate(
    subject: Subject,
    scale: Scale = "stars",
    *,
    rater: str | None = None,
    tracker: Tracker | None = None,
) -> Rating:
    """Show the answers that a person has not rated yet, one at a time, to rate by buttons or keys, with a comment.

    `subject` is an experiment, its id, or MLflow runs; `scale` is `stars` (1 to 5) or `thumbs`, under whose name the
    rating stands in MLflow with source HUMAN; `rater` is who rates (default: the user of this machine). Candidates
    take turns. Without anywidget, or outside a notebook, use `.current` and `.rate(...)`. Raises InvalidInput.
    """
    if scale not in _SCALES:
        raise InvalidInput(f"No scale {scale!r}. Known: {', '.join(_SCALES)}.", param="scale")
    rater = feedback.local_rater() if rater is None else rater.strip()
    if not rater:
        raise InvalidInput("A rating needs a rater.", hint="Pass your name.")
    tracker = tracker or connect()
    experiment = read(subject, tracker)
    runs = need_runs(experiment, "ratings").values()
    queues = [feedback.queue(run, rater, name=scale, tracker=tracker) for run in runs]
    # No rater sees one candidate's answers in a row.
    turns = [answer for answer in chain.from_iterable(zip_longest(*queues)) if answer is not None]
    return Rating(experiment.name, turns, scale, rater=rater, tracker=tracker)


class Rating(Exhibit):
    """Answers that one person rates. A notebook shows it as a widget with a static twin."""

    def __init__(self, name: str, answers: list[Answer], scale: Scale, *, rater: str, tracker: Tracker) -> None:
        super().__init__()
        self._name = name
        self._left = answers
        self._scale = scale
        self._rater = rater
        self._tracker = tracker
        self._count = len(answers)
        self._rated: list[tuple[Answer, bool | int, str]] = []

    @property
    def current(self) -> Answer | None:
        """The answer that waits for a rating; None if there is none left."""
        return self._left[0] if self._left else None

    def rate(self, value: bool | int, *, comment: str | None = None) -> Answer | None:
        """Rate the current answer (1 to 5, or True and False); return the next, None after the last."""
        self._write(value, comment)
        self._redraw()
        return self.current

    def __repr__(self) -> str:
        told = f"{len(self._rated)} of {self._count} answers rated"
        return f"Rating of {self._name} by {self._rater} ({self._scale}): {told}"

    # -- what is shown

    def _title(self) -> str:
        return "Rating: how good is this answer?"

    def _body(self) -> str:
        head = progress_bar(len(self._rated), self._count, f"{len(self._left)} answers left to rate")
        answer = self.current
        if answer is None:
            return f"{head}<p><b>You have rated every answer of this experiment.</b></p>"
        buttons = [button(f"value {place}", words, keys=keys, shown=shown)
                   for place, (_, words, keys, shown) in enumerate(self._values)]  # fmt: skip
        why = '<input name="comment" aria-label="Why? (optional)" placeholder="Why? (optional)" maxlength="2000">'
        hint = (
            "Write the comment first: a press rates and goes on. Keys count once you clicked here; Esc leaves a field."
        )
        return (
            f"{head}<p><b>What was asked</b></p>{inputs_panel(answer.variables)}"
            f"<p><b>Answer</b></p>{answer_panel(answer)}{controls('Comment', why)}"
            f"{controls('How good is this answer?', *buttons, button('skip', 'Later', keys='s', shown='s'))}"
            f'<p class="wb-hint">{hint}</p>'
        )

    def _static(self) -> str:
        shown = self._rated[-_TWIN_ANSWERS:]
        rows = "".join(
            f"<p><b>{html.escape(self._word(value))}</b> {html.escape(comment)}</p>"
            f"{inputs_panel(answer.variables)}{answer_panel(answer, height='12em')}"
            for answer, value, comment in shown
        )
        details = f"<details><summary>The last {len(shown)} ratings</summary>{rows}</details>" if shown else ""
        return f"<p>{html.escape(repr(self))}</p>{details}"

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        if verb == "skip":
            self._left.append(self._left.pop(0))
            return "Kept for later."
        kind, _, place = verb.partition(" ")
        if kind != "value" or not place.isdecimal() or int(place) >= len(self._values):
            raise InvalidInput(f"There is nothing named {verb!r} to do.")
        value = self._values[int(place)][0]
        self._write(value, fields.get("comment", "").strip() or None)
        return f"Rated: {html.escape(self._word(value))}"

    def _ended(self) -> bool:
        return not self._left

    # -- how

    @property
    def _values(self) -> tuple[tuple[bool | int, str, str, str], ...]:
        return _SCALES[self._scale]

    def _word(self, value: bool | int) -> str:
        words = {each: words for each, words, _, _ in self._values}
        if value not in words or isinstance(value, bool) != (self._scale == "thumbs"):
            raise InvalidInput(f"{value!r} is not one of the {self._scale}.", param="value")
        return words[value]

    def _write(self, value: bool | int, comment: str | None) -> None:
        answer = self.current
        if answer is None:
            raise InvalidInput("No answer is left to rate.")
        self._word(value)  # raises where it is none of the scale
        feedback.rate(
            answer.trace_id, value, rater=self._rater, name=self._scale, comment=comment, tracker=self._tracker
        )
        self._left.pop(0)
        self._rated.append((answer, value, comment or ""))
