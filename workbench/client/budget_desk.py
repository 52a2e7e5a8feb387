"""Ask a gateway who is held to what, and raise budgets for a while. With the standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.client.desk import Desk


@dataclass(frozen=True)
class BudgetDesk(Desk):
    """`/admin/v1/limits` and `/admin/v1/budgets/raises` of one gateway; an admin's right."""

    def limits(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return how every subject stands that is held to something."""
        return self._data("/admin/v1/limits", timeout=timeout)

    def raises(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return every raise, newest first."""
        return self._data("/admin/v1/budgets/raises", timeout=timeout)

    def raise_budget(self, wish: Mapping[str, Any], *, timeout: float) -> dict[str, Any]:
        """Raise a budget for a while: subject, name, usd_per_day, usd_per_month or usd_total, until, reason."""
        return dict(self.ask("POST", "/admin/v1/budgets/raises", dict(wish), timeout=timeout))

    def _data(self, path: str, *, timeout: float) -> list[dict[str, Any]]:
        answer = self.ask("GET", path, None, timeout=timeout)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error
