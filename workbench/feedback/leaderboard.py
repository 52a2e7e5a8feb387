"""The leaderboard: which candidate people prefer, how sure that is, and why a table of wins alone does not say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench import tracking
from workbench.errors import InvalidInput
from workbench.feedback.vote import PREFERENCE
from workbench.feedback.votes import Word, as_votes, candidate_names, words
from workbench.statistics import Interval, Ranking, Vote, bradley_terry, wilson

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Leaderboard:
    """Candidates by people's votes. A notebook shows it as a table with its footnotes."""

    ranking: Ranking
    """Strengths with intervals, P(best), the term for the left side, the votes that would change the leader."""
    runs: Mapping[str, str]
    """MLflow run of each candidate."""
    raters: int
    """People who voted."""
    items: int
    """Pairs of outputs that have a vote."""
    both_bad: int
    """Votes that neither answer will do, which count as ties."""
    consistency: Interval | None
    """Share of pairs on which a rater said the same when they were shown again, sides swapped; None if none was."""

    @property
    def winner(self) -> str | None:
        """The candidate whose interval lies above all others, or None: then nobody is known to be best."""
        first, *others = self.ranking.rated
        return first.name if all(first.low > other.high for other in others) else None

    @property
    def verdict(self) -> str:
        """Who is best, or why nobody can be named, in one sentence."""
        unit = f"{self.ranking.confidence:.0%} intervals, clustered by {self.ranking.unit}"
        if self.winner is not None:
            return f"{self.winner} is preferred: its interval lies above all others ({unit})."
        return f"No winner can be named: the intervals of the first overlap ({unit})."

    def table(self) -> pd.DataFrame:
        """Return one row a candidate, the strongest first: strength with interval, P(best), wins, ties, losses, n."""
        import pandas as pd  # noqa: PLC0415 - loads when it is used

        return pd.DataFrame(self.ranking.rows())

    def notes(self) -> list[str]:
        """Return what must be known before the table is believed."""
        people = f"{self.raters} rater{'' if self.raters == 1 else 's'}"
        how = f"{self.ranking.confidence:.0%} intervals, clustered by {self.ranking.unit}; {self.ranking.method}"
        told = [f"n = {self.ranking.n} votes of {people} on {self.items} pairs; {how}."]
        bias = self.ranking.left_bias
        if bias is not None:
            told.append(f"Left side: {bias.mean:+.2f} [{bias.low:+.2f}, {bias.high:+.2f}] log odds, taken out.")
        if self.ranking.fragility is not None:
            told.append(f"Votes to flip: {self.ranking.fragility}.")
        if self.both_bad:
            told.append(f"{self.both_bad} votes said that both are bad; they count as ties.")
        if self.consistency is not None:
            share = self.consistency
            told.append(
                f"Shown again, raters said the same in {share.mean:.0%} [{share.low:.0%}, {share.high:.0%}] "
                f"of {share.n} pairs."
            )
        return [*told, *self.ranking.notes]

    def __str__(self) -> str:
        return "\n".join([str(self.ranking).split("\nn=", 1)[0], self.verdict, *self.notes()])

    def _repr_html_(self) -> str:
        import html  # noqa: PLC0415 - only a notebook needs it

        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes())
        return f"{self.table().to_html(index=False)}<p><b>{html.escape(self.verdict)}</b></p><ul>{notes}</ul>"


def leaderboard(
    run_ids: Sequence[str], *, name: str = PREFERENCE, confidence: float = 0.95, tracker: Tracker | None = None
) -> Leaderboard:
    """Rank the candidates of two or more runs by all votes on their outputs.

    Votes of one rater are alike, so the intervals are clustered by rater; ties count half, and what the left side
    gains by standing there is taken out. `name` is the question that was asked (see `share`). Raises InvalidInput
    without votes, or where the candidates fall into groups that never met.
    """
    tracker = tracker or tracking.connect()
    if len(dict.fromkeys(run_ids)) < 2:
        raise InvalidInput("A leaderboard needs two or more runs.", param="run_ids")
    names = candidate_names(run_ids, tracker=tracker)
    said = words(run_ids, name=name, tracker=tracker)
    if not said:
        raise InvalidInput("Nobody has voted on these runs yet.", hint="`feedback.share(run_ids)` makes a link.")
    return Leaderboard(
        ranking=_ranking(as_votes(said, names), confidence),
        runs={name: run_id for run_id, name in names.items()},
        raters=len({word.rater for word in said}),
        items=len({(word.trace_a, word.trace_b) for word in said}),
        both_bad=sum(word.value == "both_bad" for word in said),
        consistency=_consistency(said),
    )


def _ranking(said: list[Vote], confidence: float) -> Ranking:
    """Rank by the intervals clustered by rater, or by those of single votes where these are wider.

    Few raters who happen to split their votes alike leave no spread between them: the clustered interval is then
    narrower than so few votes can tell.
    """
    clustered = bradley_terry(said, confidence=confidence)
    single = bradley_terry(
        [replace(vote, rater=None, item=None) for vote in said], confidence=confidence, fragility=False
    )
    if _width(clustered) >= _width(single):
        return clustered
    note = (
        f"The {clustered.clusters} {clustered.unit}s split their votes alike: the intervals are those of single votes."
    )
    return replace(single, fragility=clustered.fragility, notes=(note, *clustered.notes))


def _width(ranking: Ranking) -> float:
    return sum(each.high - each.low for each in ranking.rated)


def _consistency(said: Sequence[Word]) -> Interval | None:
    twice = [word for word in said if word.again is not None]
    return wilson(sum(word.again == word.value for word in twice), len(twice)) if twice else None
