"""The money of one run: what each call can cost at most is held before it is sent, so the cap is never passed."""

from __future__ import annotations

import asyncio

from workbench.client.models import dollars
from workbench.errors import BudgetExhausted

_ROUNDING = 1e-12


class Budget:
    """A cap in US dollars, or none: then it only counts. It lives on one event loop."""

    def __init__(self, usd: float | None = None) -> None:
        self.usd = usd
        self.spent = 0.0
        """What answers have cost, and what calls of which nobody knows it can have cost at most."""
        self._held = 0.0
        self._changed = asyncio.Event()

    def check(self) -> None:
        """Raise BudgetExhausted where what is spent and held passes the cap: a call may have been paid for twice."""
        if self.usd is not None and self.spent + self._held > self.usd + _ROUNDING:
            raise BudgetExhausted(f"not sent again: budget_usd={self.usd:g} would be passed", code="budget_usd")

    async def hold(self, worst: float) -> float:
        """Hold what a call can cost at most, once calls under way have left enough; raises BudgetExhausted."""
        while self.usd is not None and self.spent + self._held + worst > self.usd + _ROUNDING:
            if self._held == 0.0 or self.spent + worst > self.usd + _ROUNDING:
                raise BudgetExhausted(
                    f"not sent: {dollars(self.spent)} of budget_usd={self.usd:g} are spent, "
                    f"and the next call can cost {dollars(worst)}",
                    code="budget_usd",
                )
            self._changed.clear()
            await self._changed.wait()
        self._held += worst
        return worst

    def settle(self, held: float, usd: float | None) -> None:
        """Book what a call has cost in the place of what was held; None: nobody knows, so it counts as the worst."""
        self._held = max(0.0, self._held - held)
        if self._held < _ROUNDING:
            self._held = 0.0
        self.spent += held if usd is None else usd
        self._changed.set()
