"""A leaderboard from preference votes: strengths with intervals that know that votes of one rater are alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidInput
from workbench.statistics.fragility import Fragility, votes_to_flip
from workbench.statistics.intervals import Interval
from workbench.statistics.quantiles import student_t_quantile, two_sided
from workbench.statistics.table import html_table, text_table
from workbench.statistics.vote import Vote
from workbench.statistics.vote_design import VoteDesign, design_of, rater_codes, unbeaten

_DRAWS = 20_000
_RIDGE_UNBEATEN = 0.5
_COLUMNS = ("candidate", "strength", "low", "high", "p_best", "wins", "ties", "losses", "n")


@dataclass(frozen=True, slots=True)
class Rated:
    """One candidate on the leaderboard."""

    name: str
    """Its name."""
    strength: float
    """Log odds of winning against an average candidate; strengths sum to 0."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""
    p_best: float
    """Chance that it is the strongest, drawn from the fit."""
    wins: int
    """Votes won."""
    ties: int
    """Votes that chose no side."""
    losses: int
    """Votes lost."""

    @property
    def n(self) -> int:
        """Votes on it."""
        return self.wins + self.ties + self.losses


@dataclass(frozen=True, slots=True)
class Ranking:
    """A leaderboard: candidates from the strongest to the weakest."""

    rated: tuple[Rated, ...]
    """Candidates, the strongest first."""
    left_bias: Interval | None
    """Log odds that the left side gains by standing there; None where it can't be told."""
    fragility: Fragility | None
    """How few votes would change the leader; None if it was not asked for."""
    n: int
    """Votes."""
    unit: str
    """The cluster unit of the intervals: rater; item or vote where there is one rater; vote where none is named."""
    clusters: int
    """Number of those."""
    confidence: float
    """Confidence of the intervals."""
    method: str
    """Names of the fit and of the intervals."""
    notes: tuple[str, ...]
    """What a reader must know before believing the table."""
    covariance: tuple[tuple[float, ...], ...]
    """Covariance of the strengths, in the order of `rated`."""

    @property
    def leader(self) -> str:
        """The strongest candidate."""
        return self.rated[0].name

    def win_rate(self, a: str, b: str) -> Interval:
        """Return the chance that `a` wins a decisive vote against `b`, with its interval, sides being even.

        The interval of two candidates is what tells them apart: those of their strengths may overlap though it does
        not hold one half. `n` counts all votes, since those on others tell of these two too.
        """
        place = {each.name: at for at, each in enumerate(self.rated)}
        for name in (a, b):
            if name not in place:
                raise InvalidInput(f"No candidate {name!r} in the votes. Known: {', '.join(sorted(place))}.")
        i, j = place[a], place[b]
        lead = self.rated[i].strength - self.rated[j].strength
        spread = self.covariance[i][i] + self.covariance[j][j] - 2 * self.covariance[i][j]
        half = student_t_quantile(two_sided(self.confidence), max(1, self.clusters - 1)) * max(0.0, spread) ** 0.5
        mean, low, high = (float(1 / (1 + np.exp(-each))) for each in (lead, lead - half, lead + half))
        return Interval(mean, low, high, self.n, self.method, self.unit, self.clusters, self.confidence)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a candidate, for a table or a DataFrame."""
        return [{"candidate": each.name, **{name: getattr(each, name) for name in _COLUMNS[1:]}} for each in self.rated]

    def __str__(self) -> str:
        return "\n".join([text_table(self.rows()), *self._footer()])

    def _repr_html_(self) -> str:
        return html_table(self.rows(), footer=self._footer())

    def _footer(self) -> list[str]:
        votes = f"n={self.n} vote{'s' if self.n != 1 else ''}"
        of = "" if self.unit == "vote" else f" of {self.clusters} {self.unit}{'s' if self.clusters != 1 else ''}"
        footer = [f"{votes}{of}, {self.confidence:.0%} intervals, {self.method}"]
        if self.left_bias is not None:
            bias = self.left_bias
            footer.append(f"left side: {bias.mean:+.2f} [{bias.low:+.2f}, {bias.high:+.2f}] log odds")
        if self.fragility is not None:
            footer.append(str(self.fragility))
        return [*footer, *self.notes]


def bradley_terry(
    votes: Iterable[Vote],
    *,
    confidence: float = 0.95,
    ridge: float = 1e-3,
    seed: int = 0,
    fragility: bool = True,
) -> Ranking:
    """Rank candidates by preference votes.

    The chance that `a` beats `b` is logistic in the difference of their strengths and, where the sides of some votes
    are known, in who stood left (Bradley & Terry 1952, Biometrika 39:324; Davidson & Beaver 1977, Biometrics 33:693).
    Ties are half a win each. `ridge` is what is added to the information of each parameter; where some candidates
    never lost to the others it is at least 0.5, about the weight of one tied vote, which keeps strengths finite.

    Votes of one rater are alike, so the covariance is the sandwich clustered by rater in its jackknife form (CR3:
    Bell & McCaffrey 2002), with Student's t of raters - 1 degrees; with one rater the clusters are items, or votes,
    where no vote names its rater they are votes, and a note says so. `p_best` is drawn 20,000 times from the fit's
    normal, spread as that t is, with the seed.

    Raises InvalidInput without votes, or if candidates fall into groups that never met.
    """
    votes = list(votes)
    if not votes:
        raise InvalidInput("There are no votes to rank by.", hint="Collect some first.")
    design = design_of(votes, ridge=ridge)
    if unbeaten(design):
        design = replace(design, ridge=max(ridge, _RIDGE_UNBEATEN))
    codes, unit = rater_codes(votes)
    clusters = int(codes.max()) + 1
    found, count = design.fit(), len(design.names)
    covariance, degrees = _covariance(design, found, codes)
    half = student_t_quantile(two_sided(confidence), degrees) * np.sqrt(np.diag(covariance))
    best = _chances_of_best(found[:count], covariance[:count, :count], degrees, seed)
    order = np.argsort(-found[:count], kind="stable")
    counts = _counts(design)
    method = "Bradley-Terry, " + ("clustered jackknife sandwich" if unit != "vote" else "jackknife sandwich")
    bias = None
    if design.with_side:
        value, off = float(found[-1]), float(half[-1])
        bias = Interval(
            value, value - off, value + off, int((design.side != 0).sum()), method, unit, clusters, confidence
        )
    return Ranking(
        rated=tuple(
            Rated(
                design.names[i],
                float(found[i]),
                float(found[i] - half[i]),
                float(found[i] + half[i]),
                float(best[i]),
                *(int(each[i]) for each in counts),
            )
            for i in order
        ),
        left_bias=bias,
        fragility=votes_to_flip(design) if fragility else None,
        n=len(votes),
        unit=unit,
        clusters=clusters,
        confidence=confidence,
        method=method,
        notes=tuple(_notes(design, unit, clusters, named=any(vote.rater is not None for vote in votes))),
        covariance=tuple(tuple(float(covariance[i, j]) for j in order) for i in order),
    )


def _covariance(
    design: VoteDesign, found: NDArray[np.float64], codes: NDArray[np.intp]
) -> tuple[NDArray[np.float64], int]:
    """Return the covariance of the parameters, and the degrees of freedom."""
    rows, count = design.rows, len(design.names)
    information, weights = design.information(rows, found), design.weights(rows, found)
    scores, clusters = design.scores(rows, found), int(codes.max()) + 1
    centre = np.eye(len(found))
    centre[:count, :count] -= 1 / count
    fisher = centre @ np.linalg.inv(information) @ centre
    if clusters == 1:  # a single vote
        return fisher, 1
    order = np.argsort(codes, kind="stable")
    moved = np.empty((clusters, len(found)))
    for cluster, own in enumerate(np.split(order, np.cumsum(np.bincount(codes))[:-1])):
        rest = information - (rows[own] * weights[own, None]).T @ rows[own]
        moved[cluster] = np.linalg.solve(rest, scores[own].sum(axis=0))
    covariance = centre @ ((clusters - 1) / clusters * moved.T @ moved) @ centre
    if unbeaten(design):  # where every vote agrees residuals nearly vanish: what so many votes can tell is added
        covariance = covariance + fisher
    return covariance, clusters - 1


def _chances_of_best(
    strengths: NDArray[np.float64], covariance: NDArray[np.float64], degrees: int, seed: int
) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance)
    noise = random.standard_normal((_DRAWS, len(strengths))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    noise /= np.sqrt(random.chisquare(degrees, _DRAWS) / degrees)[:, None]
    return np.bincount(np.argmax(strengths + noise, axis=1), minlength=len(strengths)) / _DRAWS


def _counts(design: VoteDesign) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return wins, ties and losses of each candidate."""
    count = len(design.names)

    def tally(of_first: NDArray[np.bool_], of_second: NDArray[np.bool_]) -> NDArray[np.intp]:
        first = np.bincount(design.first[of_first], minlength=count)
        return np.asarray(first + np.bincount(design.second[of_second], minlength=count), dtype=np.intp)

    won, lost = design.won == 1, design.won == 0
    return tally(won, lost), tally(design.won == 0.5, design.won == 0.5), tally(lost, won)


def _notes(design: VoteDesign, unit: str, clusters: int, *, named: bool) -> list[str]:
    notes = []
    if not design.with_side and design.side.any():
        notes.append("A habit for the left side can't be told from quality: the sides were not mixed.")
    if not named:
        notes.append("No vote names its rater: each counts as that of another person.")
    elif unit != "rater":
        notes.append("One rater: the intervals tell of this rater's taste alone.")
    elif clusters < 10:
        notes.append(f"Only {clusters} raters: another {clusters} may well see it otherwise.")
    if unbeaten(design):
        notes.append("Some candidates never lost to the others: how far they lead has no upper end.")
    return notes
