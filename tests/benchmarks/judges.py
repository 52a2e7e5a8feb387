"""How often judges are flagged that should be, and those that should not: `python -m tests.benchmarks.judges`.

Simulated judges compare pairs in both orders. A lean of 70 to 30 must be flagged within 60 pairs; a judge without a
lean that errs now and then must not be. The win rate at equal length must cover the truth.
"""

from __future__ import annotations

import json
import math
import random
import sys

from workbench.client.results import ChatResult
from workbench.evidence import Example
from workbench.evidence.judges import Pair, compare, pairwise_judge
from workbench.evidence.judges.length import at_equal_length
from workbench.wire.usage import Usage

ROUNDS, PAIRS = 1000, 60
JUDGE = pairwise_judge("Which is better?", model="simulated")
PAIRS_ASKED = [Pair(Example(str(number), {"q": str(number)}), "good", "poor") for number in range(PAIRS)]


class Simulated:
    """Sees the better answer in a share of the calls; in the others it takes the first with a chance of its own."""

    def __init__(self, *, sees: float, first: float, seed: int) -> None:
        self.random, self.sees, self.first = random.Random(seed), sees, first

    def chat(self, prompt: list[dict[str, str]], **_: object) -> ChatResult:
        good_first = ">>>\ngood\n" in prompt[1]["content"].split("<<<answer 2")[0]
        right = self.random.random() < self.sees
        takes_first = good_first if right else self.random.random() < self.first
        text = json.dumps({"reason": "", "better": "1" if takes_first else "2"})
        return ChatResult(text, [], Usage(), 0.0, 0.0, "", "simulated", "stop")


def flagged(*, sees: float, first: float) -> tuple[float, float]:
    """Return how often a judge is flagged at all, and how often for its lean."""
    any_flag = lean = 0
    for seed in range(ROUNDS):
        gateway = Simulated(sees=sees, first=first, seed=seed)
        flags = compare(JUDGE, PAIRS_ASKED, gateway=gateway, workers=1, progress=False).flags
        any_flag += bool(flags)
        lean += any("leans" in flag for flag in flags)
    return any_flag / ROUNDS, lean / ROUNDS


def covered(*, n: int, slope: float, base: float) -> float:
    """Return how often the interval at equal length holds the truth."""
    random_, held = random.Random(n), 0
    for _ in range(ROUNDS):
        differences = [random_.gauss(30, 60) for _ in range(n)]
        spread = math.sqrt(sum(each * each for each in differences) / n)
        chances = [1 / (1 + math.exp(-(base + slope * math.tanh(each / spread)))) for each in differences]
        interval = at_equal_length([float(random_.random() < chance) for chance in chances], differences)
        assert interval is not None
        held += interval.low <= 1 / (1 + math.exp(-base)) <= interval.high
    return held / ROUNDS


def main() -> None:
    """Print the ratios."""
    tell = sys.stdout.write
    tell(f"{ROUNDS} judges, {PAIRS} pairs each: flagged, and for a lean\n")
    for sees, first in ((0.0, 0.7), (0.5, 0.7), (0.7, 0.7), (0.7, 1.0), (0.9, 0.5), (0.95, 0.5), (1.0, 0.5)):
        share, leaning = flagged(sees=sees, first=first)
        tell(f"  sees the better one in {sees:.0%}, else takes the first in {first:.0%}: {share:.3f} {leaning:.3f}\n")
    tell("win rate at equal length: share of 95% intervals that hold the truth\n")
    for n in (20, 60, 200):
        for slope, base in ((0.0, 0.0), (1.0, 0.4), (3.0, 0.0)):
            tell(f"  {n} pairs, slope {slope:g}, logit {base:g}: {covered(n=n, slope=slope, base=base):.3f}\n")


if __name__ == "__main__":
    main()
