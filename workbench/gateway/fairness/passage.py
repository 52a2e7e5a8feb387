"""What a call that was let in carries until it ends, so that the gate hears of its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.gateway.fairness.gate import Gate
    from workbench.gateway.fairness.rank import Rank


class Passage:
    """One call's way through a gate; online work to which nothing is guaranteed shares one."""

    __slots__ = ("_gate", "_rank")

    def __init__(self, gate: Gate, rank: Rank | None = None) -> None:
        self._gate = gate
        self._rank = rank

    def over(self, *, more: int, answered: bool) -> None:
        """Note that the call has ended: how many tokens more than expected it used, and whether it was answered."""
        self._gate.out(self._rank, more=more, answered=answered)
