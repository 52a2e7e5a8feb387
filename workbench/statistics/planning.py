"""How many examples, calls and dollars an experiment needs before it can show the difference that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workbench.errors import InvalidInput
from workbench.statistics.quantiles import normal_quantile, student_t_quantile, two_sided
from workbench.statistics.table import html_table

Design = Literal["binary pairs", "graded pairs", "preference votes"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment needs."""

    rows: int
    """Examples that every candidate answers; for preference votes the votes, ties too."""
    calls: int
    """Calls of models: rows x repeats x (candidates + the baseline); for votes the answers shown."""
    usd: float | None
    """What the calls cost; None where the price of a call is not known."""
    mde: float
    """The smallest difference that is to be found."""
    power: float
    """Chance to find it where it is there."""
    alpha: float
    """Chance of a false finding, over all candidates together."""
    design: Design
    """What is compared."""
    repeats: int
    """Answers a candidate gives to each example."""
    candidates: int
    """Candidates that are compared with the baseline."""
    method: str
    """Where the number comes from."""
    assumed: tuple[str, ...] = ()
    """What was assumed because it was not told."""

    def __str__(self) -> str:
        what = "votes" if self.design == "preference votes" else "rows"
        dollars = "" if self.usd is None else f", ${self.usd:,.2f}"
        head = (
            f"{self.rows:,} {what}, {self.calls:,} calls{dollars}: finds {self.mde:g} with power {self.power:g} "
            f"at alpha {self.alpha:g} ({self.design}, {self.method})"
        )
        return "\n".join([head, *self._footer()])

    def _repr_html_(self) -> str:
        what = "votes" if self.design == "preference votes" else "rows"
        dollars = "not known" if self.usd is None else f"${self.usd:,.2f}"
        row = {
            what: f"{self.rows:,}",
            "calls": f"{self.calls:,}",
            "cost": dollars,
            "finds": self.mde,
            "power": self.power,
            "alpha": self.alpha,
            "method": f"{self.design}, {self.method}",
        }
        return html_table([row], footer=self._footer())

    def _footer(self) -> list[str]:
        return [f"assumed: {each}" for each in self.assumed]


def plan(
    *,
    mde: float,
    power: float = 0.8,
    alpha: float = 0.05,
    baseline: float | None = None,
    discordant: float | None = None,
    sd: float | None = None,
    ties: float | None = None,
    within_sd: float | None = None,
    repeats: int = 1,
    candidates: int = 1,
    cluster_size: float = 1.0,
    icc: float = 0.0,
    usd_per_call: float | None = None,
) -> Plan:
    """Return how much data a difference of `mde` needs, from one of four things known.

    - `discordant`: the share of examples on which two candidates differ in being right (binary scores); a pilot or an
      earlier run tells it. Connor 1987, Biometrics 43:207.
    - `baseline`: the baseline's rate of right answers (binary), where `discordant` is not known: that of independent
      answers is taken, which is the most there is unless candidates avoid each other's successes.
    - `sd`: the standard deviation of graded differences between two candidates' answers to an example. Paired t.
    - `ties`: the share of preference votes that choose no side; `mde` is then how far the win rate lies from one half.

    `within_sd` is the standard deviation of one candidate's score from repeat to repeat on the same example: with it
    `repeats` lower the rows (their variance is averaged), without it they only cost. Several candidates share alpha
    as in Holm's first step. Examples in clusters of `cluster_size` with the intraclass correlation `icc` count less
    (design effect 1 + (size - 1) icc). Raises InvalidInput for what is out of range, and unless exactly one of the
    four is given.
    """
    _positive("mde", mde)
    _check_chances(power, alpha)
    _check_sizes(repeats=repeats, candidates=candidates, cluster_size=cluster_size)
    if not 0 <= icc <= 1:
        raise InvalidInput(f"icc lies between 0 and 1, not at {icc!r}.", param="icc")
    if usd_per_call is not None and not usd_per_call >= 0:
        raise InvalidInput(f"A call costs 0 or more, not {usd_per_call!r}.", param="usd_per_call")
    given = {"discordant": discordant, "baseline": baseline, "sd": sd, "ties": ties}
    known = [name for name, value in given.items() if value is not None]
    if len(known) != 1:
        raise InvalidInput(
            f"A plan starts from one of discordant, baseline, sd and ties; given: {', '.join(known) or 'none'}.",
            hint="For right or wrong pass `baseline=` (its rate) or `discordant=`, for grades `sd=`, votes `ties=`.",
        )
    bar, assumed, needed = alpha / candidates, list[str](), 0.0
    design: Design
    if ties is not None:
        design, method = "preference votes", "binomial"
        needed = _votes(mde, power, bar) / (1 - _share("ties", ties))
    elif sd is not None:
        design, method = "graded pairs", "paired t"
        variance = _positive("sd", sd) ** 2
        needed = _paired_t(mde, math.sqrt(variance - _saved(variance, within_sd, repeats, assumed)), power, bar)
    else:
        design, method = "binary pairs", "Connor 1987"
        share = _discordant(baseline, discordant, mde, assumed)
        variance = share - mde**2
        needed = _connor(mde, variance - _saved(variance, within_sd, repeats, assumed), power, bar)
    rows = math.ceil(needed * (1 + (cluster_size - 1) * icc) - 1e-9)
    if candidates > 1:
        method += f", alpha / {candidates}"
    calls = rows * 2 if design == "preference votes" else rows * repeats * (candidates + 1)
    usd = None if usd_per_call is None else calls * usd_per_call
    return Plan(rows, calls, usd, mde, power, alpha, design, repeats, candidates, method, tuple(assumed))


def _connor(mde: float, variance: float, power: float, alpha: float) -> float:
    under_null = normal_quantile(two_sided(1 - alpha)) * math.sqrt(variance + mde**2)
    return float(((under_null + normal_quantile(power) * math.sqrt(variance)) / mde) ** 2)


def _paired_t(mde: float, sd: float, power: float, alpha: float) -> int:
    n = max(2, math.ceil(((normal_quantile(two_sided(1 - alpha)) + normal_quantile(power)) * sd / mde) ** 2))
    while ((student_t_quantile(two_sided(1 - alpha), n - 1) + student_t_quantile(power, n - 1)) * sd / mde) ** 2 > n:
        n += 1
    return n


def _votes(mde: float, power: float, alpha: float) -> float:
    if not mde < 0.5:
        raise InvalidInput(f"A win rate lies at most 0.5 from one half, not {mde:g}.", param="mde")
    rate = 0.5 + mde
    spread = normal_quantile(two_sided(1 - alpha)) * 0.5 + normal_quantile(power) * math.sqrt(rate * (1 - rate))
    return (spread / mde) ** 2


def _discordant(baseline: float | None, discordant: float | None, mde: float, assumed: list[str]) -> float:
    """Return the share of discordant examples, or that of independent answers where only a rate is known."""
    if discordant is None:
        rate = baseline or 0.0
        if not 0 <= rate <= 1:
            raise InvalidInput(f"baseline is a rate from 0 to 1, not {rate!r}.", param="baseline")
        other = rate + mde if rate + mde <= 1 else rate - mde
        if not 0 <= other <= 1:
            raise InvalidInput(f"No rate lies {mde:g} from {rate:g}.", param="mde")
        discordant = max(mde, rate * (1 - other) + other * (1 - rate))  # never less, but by rounding
        assumed.append(f"discordant {discordant:.3g}, as if answers were independent; a pilot would tell it")
    if not mde <= discordant <= 1:
        raise InvalidInput(
            f"A difference of {mde:g} can't come from a share of {discordant:g} discordant examples.",
            hint="The share lies between the difference and 1.",
            param="discordant",
        )
    return discordant


def _saved(variance: float, within_sd: float | None, repeats: int, assumed: list[str]) -> float:
    if within_sd is None:
        if repeats > 1:
            assumed.append("repeats save no rows: pass `within_sd`, which `repeats()` tells, to count them")
        return 0.0
    within = 2 * _positive("within_sd", within_sd) ** 2
    if within > variance * (1 + 1e-9):
        raise InvalidInput(
            f"within_sd {within_sd:g} is more than the differences vary: it is at most {math.sqrt(variance / 2):.3g}.",
            param="within_sd",
        )
    return within * (1 - 1 / repeats)


def _check_chances(power: float, alpha: float) -> None:
    for name, value in (("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise InvalidInput(f"{name} lies between 0 and 1, not at {value!r}.", param=name)
    if power <= alpha:
        raise InvalidInput(f"A power of {power:g} is no more than alpha.", hint="0.8 is usual.", param="power")


def _check_sizes(**sizes: float) -> None:
    for name, value in sizes.items():
        if not value >= 1:
            raise InvalidInput(f"{name} is at least 1, not {value!r}.", param=name)


def _positive(name: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidInput(f"{name} is above 0, not {value!r}.", param=name)
    return value


def _share(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise InvalidInput(f"{name} is a share from 0 to below 1, not {value!r}.", param=name)
    return value
