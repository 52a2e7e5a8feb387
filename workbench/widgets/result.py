"""The result of an experiment, looked through in a notebook: figures, comparisons, pictures, what is worth reading."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from workbench import experiments
from workbench.errors import InvalidInput
from workbench.experiments.results.report_tables import (
    CALLED,
    candidates_table,
    comparison_table,
    disagreement_table,
    failure_table,
    picture_html,
)
from workbench.tracking import connect
from workbench.widgets.exhibit import Exhibit
from workbench.widgets.panels import button, controls
from workbench.widgets.subject import Subject, read

if TYPE_CHECKING:
    from workbench.tracking.tracker import Tracker

_TWIN_EXAMPLES = 5
_VIEWS: dict[str, tuple[str, Callable[[experiments.Experiment], str]]] = {
    "figures": ("Figures", candidates_table),
    "intervals": ("Intervals", lambda shown: picture_html(shown, "intervals", "Means with 95% intervals")),
    "cost": ("Cost", lambda shown: picture_html(shown, "cost", "Quality over the cost of a call")),
    "latency": ("Latency", lambda shown: picture_html(shown, "latency", "Latency of every answer")),
    "disagreements": ("Disagreements", lambda shown: disagreement_table(shown) or "<p>Nothing differs.</p>"),
    "failures": ("Failures", failure_table),
}
"""What can be looked at, by the verb of its button; `compare` stands beside them, as it asks for a baseline."""


def results(subject: Subject, *, tracker: Tracker | None = None) -> Results:
    """Show a result to be looked through: figures, comparisons with any baseline, pictures, disagreements, failures.

    `subject` is an experiment, its id, or MLflow runs.
    """
    if isinstance(subject, experiments.Experiment):
        return Results(subject)
    return Results(read(subject, tracker or connect()))


class Results(Exhibit):
    """One result. A notebook shows it as a widget with a static twin."""

    def __init__(self, experiment: experiments.Experiment) -> None:
        super().__init__()
        self._experiment = experiment
        self._looked_at = "figures"
        self._baseline = experiment.candidates[0].name

    def __repr__(self) -> str:
        return repr(self._experiment)

    def _title(self) -> str:
        return "Results of an experiment"

    def _body(self) -> str:
        views = [
            button(verb, words, main=verb == self._looked_at, keys=str(number), shown=str(number))
            for number, (verb, (words, _)) in enumerate(_VIEWS.items(), start=1)
        ]
        names = [each.name for each in self._experiment.candidates]
        chosen = "".join(
            f"<option{' selected' * (name == self._baseline)}>{html.escape(name)}</option>" for name in names
        )
        against = [
            f'<label>Baseline <select name="baseline">{chosen}</select></label>',
            button("compare", "Compare", main=self._looked_at == "compare", keys="c", shown="c"),
        ] * (len(names) > 1)
        return f"{controls('What to look at', *views, *against)}{self._shown()}"

    def _shown(self) -> str:
        if self._looked_at == "compare":
            return comparison_table(self._experiment, baseline=self._baseline)
        return _VIEWS[self._looked_at][1](self._experiment)

    def _static(self) -> str:
        picture = picture_html(self._experiment, "intervals", "Means with 95% intervals")
        looked = disagreement_table(self._experiment, limit=_TWIN_EXAMPLES)
        return (
            f"{self._experiment._repr_html_()}{picture}"
            f"{comparison_table(self._experiment, metrics=list(CALLED), baseline=self._baseline)}"
            f"<details><summary>Where candidates or scorers disagree</summary>{looked or '<p>Nothing differs.</p>'}"
            f"</details><details><summary>Failures</summary>{failure_table(self._experiment, limit=10)}</details>"
        )

    def _act(self, verb: str, fields: Mapping[str, str]) -> str:
        if verb == "compare":
            name = fields.get("baseline", self._baseline)
            if name not in [each.name for each in self._experiment.candidates]:
                raise InvalidInput(f"No candidate named {name!r}.")
            self._looked_at, self._baseline = verb, name
            return f"Compared with {html.escape(name)}"
        if verb not in _VIEWS:
            raise InvalidInput(f"There is nothing named {verb!r} to do.")
        self._looked_at = verb
        return _VIEWS[verb][0]
