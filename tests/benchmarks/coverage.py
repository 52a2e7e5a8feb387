"""How often intervals hold the truth and alike candidates are told apart: `python -m tests.benchmarks.coverage`.

Prints coverage of 95% intervals, false winners under peeking, and how soon a true difference is found, as a table of
each; `--draws 4000` is slower and finer. The small form runs in tests/unit/statistics.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.statistics import (
    ConfidenceSequence,
    PreferenceTest,
    compare_rates_anytime,
    mean_interval,
    paired_bootstrap,
    paired_difference,
    plan,
    wilcoxon,
)

SIZES = (20, 50, 100, 500)
Floats = NDArray[np.float64]


def rows(random: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return graded scores of a candidate and a baseline on n items; the true difference is 0.05."""
    item = random.beta(4, 4, n)
    return np.clip(item * 0.8 + 0.1 + random.normal(0.05, 0.03, n), 0, 1), item * 0.8 + 0.1


def coverage(draws: int) -> Iterator[str]:
    """Yield a table of the coverage of intervals by size."""
    yield "| interval | " + " | ".join(f"n={n}" for n in SIZES) + " |"
    yield "|---" * (len(SIZES) + 1) + "|"
    kinds: dict[str, Callable[[np.random.Generator, int], bool]] = {
        "mean, graded": lambda r, n: held(mean_interval(r.beta(4, 2, n)), 4 / 6),
        "mean, binary 0.8": lambda r, n: held(mean_interval((r.random(n) < 0.8).astype(float)), 0.8),
        "mean, clusters of 5, binary": lambda r, n: held(clustered(r, n, graded=False), 0.6),
        "mean, clusters of 5, graded": lambda r, n: held(clustered(r, n, graded=True), 0.6),
        "paired difference, graded": lambda r, n: held(paired_difference(*rows(r, n)), 0.05),
        "paired difference, binary 0.2 : 0.1": lambda r, n: held(paired_difference(*binary(r, n)), 0.1),
        "paired bootstrap": lambda r, n: held(paired_bootstrap(*rows(r, n), resamples=2000), 0.05),
        "Wilcoxon's median": lambda r, n: held(wilcoxon(*rows(r, n)), 0.05),
    }
    for name, kind in kinds.items():
        random = np.random.default_rng(1)
        shares = [np.mean([kind(random, n) for _ in range(draws)]) for n in SIZES]
        yield f"| {name} | " + " | ".join(f"{share:.3f}" for share in shares) + " |"


def held(interval: object, truth: float) -> bool:
    """Return whether an interval holds the truth."""
    low, high = getattr(interval, "low"), getattr(interval, "high")  # noqa: B009 -- three classes with these two fields
    return bool(low <= truth <= high)


def clustered(random: np.random.Generator, n: int, *, graded: bool) -> object:
    """Return the interval of a mean of 0.6 over clusters of 5."""
    chances = np.repeat(random.beta(3, 2, n // 5), 5)
    right = (random.random(n) < chances).astype(float)
    return mean_interval((right + chances) / 2 if graded else right, clusters=np.repeat(np.arange(n // 5), 5))


def binary(random: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Return right or wrong of two candidates, of which the first is right alone in 0.2, the second in 0.1."""
    drawn = random.random(n)
    return (drawn < 0.7).astype(float), ((drawn >= 0.2) & (drawn < 0.8)).astype(float)


def peeking(draws: int) -> Iterator[str]:
    """Yield a table of how often alike candidates are told apart, and how soon different ones are."""
    yield "\n| looked at after each | alike: a winner | different: found | median stop | one look, as planned |"
    yield "|---|---|---|---|---|"
    random = np.random.default_rng(2)
    once = math.ceil((1.96 + 0.84) ** 2 * (0.21 + 0.16 / 9) / 0.01)
    kinds: list[tuple[str, Callable[[np.random.Generator, float], float], float, float, int]] = [
        ("vote, win rate 0.6", vote_stop, 0.5, 0.6, plan(mde=0.1, ties=0).rows),
        ("vote, win rate 0.7, planned for 0.6", vote_stop, 0.5, 0.7, plan(mde=0.1, ties=0).rows),
        ("row, difference 0.06 of sd 0.3", row_stop, 0.0, 0.06, plan(mde=0.06, sd=0.3).rows),
        ("row, difference 0.12, planned for 0.06", row_stop, 0.0, 0.12, plan(mde=0.06, sd=0.3).rows),
        ("outcome of a 10% arm, 0.7 against 0.8", arm_stop, 0.8, 0.7, once),
    ]
    for name, stop, alike, different, planned in kinds:
        false = np.mean(np.isfinite([stop(random, alike) for _ in range(draws)]))
        stops = [stop(random, different) for _ in range(draws)]
        yield f"| {name} | {false:.3f} | {np.mean(np.isfinite(stops)):.3f} | {np.median(stops):.0f} | {planned} |"


def vote_stop(random: np.random.Generator, rate: float, most: int = 1000) -> float:
    """Return after how many votes there is a verdict; infinity: none."""
    test = PreferenceTest()
    for at, won in enumerate(random.random(most) < rate, start=1):
        if test.add(wins=int(won), losses=int(not won)).verdict != "undecided":
            return at
    return math.inf


def row_stop(random: np.random.Generator, gain: float, most: int = 600) -> float:
    """Return after how many rows there is a verdict: the first that a bisection over looks finds."""
    values = random.normal(gain, 0.3, most).clip(-1, 1)
    return first(lambda n: ConfidenceSequence().observe(values[:n]).verdict != "undecided", most)


def arm_stop(random: np.random.Generator, rate: float, most: int = 600) -> float:
    """Return after how many outcomes of the candidate there is a decision."""
    ours = (random.random(most) < rate).astype(float)
    theirs = (random.random(9 * most) < 0.8).astype(float)
    return first(lambda n: compare_rates_anytime(ours[:n], theirs[: 9 * n]).decision != "go on", most)


def first(decided: Callable[[int], bool], most: int) -> float:
    """Return the first look that decides; a verdict stands, so it is found by halving."""
    if not decided(most):
        return math.inf
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    for line in itertools.chain(coverage(options.draws), peeking(options.draws)):
        print(line, flush=True)  # noqa: T201
