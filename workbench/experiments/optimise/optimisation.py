"""What an optimisation found: the prompt that it proposes, or why none, and the way there."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.prompts import Prompt, PromptDiff, diff, register_draft
from workbench.statistics import Difference

if TYPE_CHECKING:
    import pandas as pd

    from workbench.experiments.results.experiment import Experiment
    from workbench.tracking.tracker import Tracker

Stopped = Literal["calls", "budget", "perfect", "search"]
_ENDS = {
    "calls": "the calls were used up",
    "budget": "the budget was used up",
    "perfect": "nothing was left to improve on the validation part",
    "search": "the search had ended",
}


@dataclass(frozen=True)
class Step:
    """A candidate that was asked about the whole validation part."""

    score: float
    """Mean over the validation part, failed calls left out: it chose among candidates, so the best one's flatters."""
    prompt: Prompt
    """The candidate, a draft."""
    calls: int
    """Calls that had been made by then."""
    spent_usd: float
    """US dollars that had been spent by then."""


@dataclass(frozen=True)
class Optimisation:
    """What was found. Nothing is registered or promoted by it."""

    before: Prompt
    """The prompt that was to be improved."""
    best: Prompt
    """The best on the validation part, a draft; `before` itself where nothing was better."""
    difference: Difference | None
    """Best against before on the sealed holdout; None where there was nothing to test, or no money left to."""
    look: int
    """Which look at this holdout it was; 0 where there was none."""
    steps: tuple[Step, ...]
    """Candidates that were asked about the whole validation part, in their order; the first is `before`."""
    stopped: Stopped
    """What ended the search."""
    calls: int
    """Calls that answered examples, those from the journal too."""
    spent_usd: float
    """US dollars for answers, judges and reflection; answers and reflections of the journal count too."""
    holdout: Experiment | None
    """The experiment on the holdout, with its runs in MLflow."""

    @property
    def proposed(self) -> bool:
        """Whether the best is better on the holdout, beyond chance."""
        return self.difference is not None and self.difference.verdict == "better"

    @property
    def prompt(self) -> Prompt:
        """What is proposed; `before` where nothing is."""
        return self.best if self.proposed else self.before

    @property
    def diff(self) -> PromptDiff:
        """What changed from `before` to `best`."""
        return diff(self.before, self.best)

    @property
    def frame(self) -> pd.DataFrame:
        """A row a step: score, calls, spent_usd, hash, text."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        rows = [(s.score, s.calls, s.spent_usd, s.prompt.hash[:12], str(s.prompt)) for s in self.steps]
        return pd.DataFrame(rows, columns=["score", "calls", "spent_usd", "hash", "text"])

    def register(self, *, message: str | None = None, tracker: Tracker | None = None) -> Prompt:
        """Register what is proposed as the next version; promoting it is another decision.

        Where nothing is proposed, `before` stays what it is and is returned.
        """
        if not self.proposed:
            return self.before
        said = message or f"optimised from {self.before.label}: {self.difference} on a sealed holdout"
        parent = self.before if self.before.version is not None else None
        return register_draft(self.best, message=said, origin="optimiser", parent=parent, tracker=tracker)

    def __str__(self) -> str:
        first, best = self.steps[0].score, max(step.score for step in self.steps)
        way = (
            f"{len(self.steps)} candidates, {self.calls} calls, ${self.spent_usd:.4f}; {_ENDS[self.stopped]}. "
            f"On validation: {first:.3f} before, {best:.3f} best"
        )
        if self.difference is None and self.best is not self.before:
            again = "Start again with a higher budget_usd: nothing is paid twice."
            return f"{self.before.label}: what is left of the budget does not cover the test. {way}. {again}"
        if self.difference is None:
            return f"{self.before.label}: nothing better was found. {way}. The holdout stays sealed."
        sure = f"{self.difference.confidence:.1%} sure" + (f", look {self.look} at it" if self.look > 1 else "")
        verdict = "a better prompt is proposed" if self.proposed else "no gain was shown, none is proposed"
        return f"{self.before.label}: {verdict}. On the sealed holdout: {self.difference} ({sure}). {way}."

    __repr__ = __str__

    def _repr_html_(self) -> str:
        changed = self.diff._repr_html_() if self.best.hash != self.before.hash else ""
        return f"<p>{html.escape(str(self))}</p>{changed}"
