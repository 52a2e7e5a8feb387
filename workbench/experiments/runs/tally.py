"""How far a run is: what is done, what it has cost, and what the rest will. Written by one thread, read by another."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from workbench.client.models import dollars
from workbench.experiments.cells.cell import Cell, Job


class Tally:
    """Counts cells and US dollars as cells end."""

    def __init__(self, *, done: int) -> None:
        self.done = done
        """Cells that have ended, those of the journal among them."""
        self.spent = 0.0
        """US dollars that this run has paid, as far as answers and judges tell."""
        self.news: deque[str] = deque()
        """What people should hear of at once."""
        self._waiting: Counter[str] = Counter()
        self._paid: Counter[str] = Counter()
        self._cost: dict[str, float] = {}

    def expect(self, jobs: Iterable[Job]) -> None:
        """Count jobs that are still to be done."""
        self._waiting.update(job.candidate.name for job in jobs)

    def end(self, cell: Cell) -> None:
        """Count a cell that has ended."""
        self.done += 1
        name = cell.job.candidate.name
        self._waiting[name] -= 1
        costs = [score.cost_usd for score in cell.scores.values()]
        if not cell.reused and cell.answer is not None:
            costs.append(cell.answer.cost_usd)
        known = [cost for cost in costs if cost is not None]
        if known:
            self._paid[name] += 1
            self._cost[name] = self._cost.get(name, 0.0) + sum(known)
            self.spent += sum(known)

    @property
    def left(self) -> float | None:
        """US dollars that the rest will cost, by the mean of each candidate's cells so far; None if nobody knows."""
        if not self._cost:
            return None
        overall = sum(self._cost.values()) / sum(self._paid.values())
        means = {name: cost / self._paid[name] for name, cost in self._cost.items()}
        return sum(count * means.get(name, overall) for name, count in self._waiting.items() if count > 0)

    @property
    def money(self) -> str:
        """What it has cost and will, in words; empty where nobody knows."""
        if (left := self.left) is None:
            return ""
        return f"{dollars(self.spent)} so far, about {dollars(left)} to go"
