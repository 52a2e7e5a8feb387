"""A test of preference votes that may be looked at after every vote."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from workbench.errors import InvalidInput
from workbench.statistics.intervals import Interval

Preferred = Literal["a", "b", "undecided"]
_PRIOR = 10.0
"""Both parameters of the Beta prior: it bets on win rates between about 0.3 and 0.7."""


class PreferenceTest:
    """Whether `a` wins more than half of the decisive votes: an e-process, valid at every vote.

    The evidence is the likelihood of the votes under win rates drawn from Beta(10, 10), over that of coin tosses. It
    exceeds 1 / alpha with a chance of at most alpha, however often one looks (Ville 1939; Robbins 1970, Annals of
    Mathematical Statistics 41:1397; Johari, Pekelis & Walsh, arXiv 1512.04922), and once it has, the verdict stands.
    Ties carry no evidence. Votes are taken as independent: give one vote a rater and pair, and read the leaderboard
    (`bradley_terry`) where few raters cast many.
    """

    def __init__(self, wins: int = 0, losses: int = 0, ties: int = 0, *, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise InvalidInput(f"alpha lies between 0 and 1, not at {alpha!r}.", hint="0.05 is usual.", param="alpha")
        self.alpha = alpha
        """Chance of a verdict where the two are alike."""
        self.wins, self.losses, self.ties = 0, 0, 0
        self._peak, self._leader = 0.0, "undecided"
        self.add(wins=wins, losses=losses, ties=ties)

    def add(self, *, wins: int = 0, losses: int = 0, ties: int = 0) -> PreferenceTest:
        """Count votes for `a`, for `b`, and for neither; returns itself."""
        if min(wins, losses, ties) < 0:
            raise InvalidInput(f"Votes are counted from 0: {wins} wins, {losses} losses, {ties} ties.")
        self.wins, self.losses, self.ties = self.wins + wins, self.losses + losses, self.ties + ties
        evidence = _log_evidence(self.wins, self.losses, 0.5)
        if evidence > self._peak:
            self._peak = evidence
            if evidence >= -math.log(self.alpha):
                self._leader = "a" if self.wins > self.losses else "b"
        return self

    def observe(self, outcomes: Iterable[Literal["a", "b", "tie"]]) -> PreferenceTest:
        """Count votes one by one in the order they came; returns itself."""
        for outcome in outcomes:
            if outcome not in ("a", "b", "tie"):
                raise InvalidInput(f"A vote is 'a', 'b' or 'tie', not {outcome!r}.")
            self.add(wins=outcome == "a", losses=outcome == "b", ties=outcome == "tie")
        return self

    @property
    def n(self) -> int:
        """Decisive votes."""
        return self.wins + self.losses

    @property
    def e_value(self) -> float:
        """The evidence against a tie so far: a bet on a difference has multiplied its stake by this."""
        return math.exp(min(700.0, _log_evidence(self.wins, self.losses, 0.5)))

    @property
    def p_value(self) -> float:
        """An always-valid p value: one over the largest evidence seen."""
        return math.exp(-self._peak)

    @property
    def verdict(self) -> Preferred:
        """Which of the two is preferred, or `undecided`."""
        return self._leader  # type: ignore[return-value]  # only the three words are ever stored

    @property
    def win_rate(self) -> Interval:
        """Share of `a` in the decisive votes; the interval holds the truth at every look with chance 1 - alpha."""
        if self.n == 0:
            return Interval(math.nan, 0.0, 1.0, 0, "Beta-binomial sequence", "vote", None, 1 - self.alpha)
        rate = self.wins / self.n
        low, high = (_end(self.wins, self.losses, self.alpha, rate, side) for side in (0.0, 1.0))
        return Interval(rate, low, high, self.n, "Beta-binomial sequence", "vote", None, 1 - self.alpha)

    def __str__(self) -> str:
        said = {"a": "a is preferred", "b": "b is preferred"}.get(self.verdict, "undecided, go on")
        rate = self.win_rate
        return (
            f"{said}: {self.wins} : {self.losses}, {self.ties} ties, win rate {rate.mean:.2f} "
            f"[{rate.low:.2f}, {rate.high:.2f}], e = {self.e_value:.3g} (decides at {1 / self.alpha:g})"
        )

    __repr__ = __str__


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_evidence(wins: int, losses: int, rate: float) -> float:
    """Return the log of the mixture's likelihood over that of a win rate."""
    mixture = _log_beta(_PRIOR + wins, _PRIOR + losses) - _log_beta(_PRIOR, _PRIOR)
    chance = (wins * math.log(rate) if wins else 0.0) + (losses * math.log1p(-rate) if losses else 0.0)
    return mixture - chance


def _end(wins: int, losses: int, alpha: float, rate: float, side: float) -> float:
    """Return the win rate between the observed one and a side where the evidence reaches 1 / alpha."""
    inner, outer = rate, side
    if inner == outer:
        return side
    for _ in range(60):
        middle = (inner + outer) / 2
        if _log_evidence(wins, losses, middle) < -math.log(alpha):
            inner = middle
        else:
            outer = middle
    return outer
