"""The buttons: a pair of outputs, four choices, progress, and the tally when all is voted."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import WorkbenchError
from workbench.widgets.panels import inputs_panel, output_panel

if TYPE_CHECKING:
    from workbench.feedback import Answer, Choice, Pair

CHOICES: tuple[tuple[Choice, str], ...] = (
    ("left", "Left is better"),
    ("right", "Right is better"),
    ("tie", "Tie"),
    ("both_bad", "Both are bad"),
)


class Ballot(Protocol):
    """What the view shows and acts on."""

    current: Pair | None
    """The pair that waits for a vote."""
    progress: tuple[int, int]
    """Pairs voted, and all."""

    def answers(self) -> tuple[Answer, Answer]:
        """Return what the current pair shows on the left and on the right."""

    def vote(self, choice: Choice, *, comment: str | None = None) -> Pair | None:
        """Write a vote; return the next pair."""

    def result(self) -> str:
        """Return the tally in one sentence."""


class VotingView:
    """The ipywidgets of one ballot; `widget` is what a notebook shows."""

    def __init__(self, ballot: Ballot) -> None:
        import ipywidgets  # noqa: PLC0415 - loads when a notebook shows it

        self._kit = ipywidgets
        self._ballot = ballot
        self._bar = ipywidgets.IntProgress(layout={"width": "12em"})
        self._count = ipywidgets.Label()
        self._inputs = ipywidgets.HTML()
        self._left = ipywidgets.HTML(layout={"width": "50%", "margin": "4px"})
        self._right = ipywidgets.HTML(layout={"width": "50%", "margin": "4px"})
        self._buttons = ipywidgets.HBox()
        self._status = ipywidgets.HTML()
        sides = ipywidgets.HBox([self._left, self._right])
        head = ipywidgets.HBox([self._bar, self._count])
        self.widget: Any = ipywidgets.VBox([head, self._inputs, sides, self._buttons, self._status])
        self._show()

    def _show(self) -> None:
        done, count = self._ballot.progress
        self._bar.max, self._bar.value = max(count, 1), done
        self._count.value = f"{done} of {count} pairs voted"
        pair = self._ballot.current
        if pair is None:
            for part in (self._inputs, self._left, self._right):
                part.value = ""
            self._buttons.children = ()
            self._status.value = f"<b>All pairs are voted.</b> {html.escape(self._ballot.result())}"
            return
        left, right = self._ballot.answers()
        self._inputs.value = inputs_panel(left.inputs)
        self._left.value = f"<b>Left</b>{_panel(left)}"
        self._right.value = f"<b>Right</b>{_panel(right)}"
        # New buttons for each pair: the second half of a double click finds the old ones, which belong to a past pair.
        self._buttons.children = tuple(self._button(pair, choice, words) for choice, words in CHOICES)
        self._status.value = ""

    def _button(self, pair: Pair, choice: Choice, words: str) -> Any:
        button = self._kit.Button(description=words, layout={"width": "auto"})

        def click(_: Any) -> None:
            if self._ballot.current is not pair:
                return
            try:
                self._ballot.vote(choice)
            except WorkbenchError as error:  # it would vanish: nobody reads what a callback raises
                self._status.value = f"<b>The vote was not written.</b> {html.escape(str(error))}"
                return
            self._show()

        button.on_click(click)
        return button


def _panel(answer: Answer) -> str:
    text = answer.text if answer.text is not None or answer.outputs is None else str(answer.outputs)
    return output_panel(text, answer.images)
