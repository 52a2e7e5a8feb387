"""Ask a gateway, as an admin, to price what is paid later, and which prices hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from workbench.client.desk import Desk

_SETTLING_SECONDS = 3600.0
_TIMEOUT = 30.0


@dataclass(frozen=True)
class UsageDesk(Desk):
    """`/admin/v1/usage/settle` and `/admin/v1/prices` of one gateway."""

    def settle(self) -> dict[str, Any]:
        """Have batches, jobs and reserved hours priced that have ended; return what was done."""
        answer = self.ask("POST", "/admin/v1/usage/settle", {}, timeout=_SETTLING_SECONDS)
        if not isinstance(answer, dict) or "settled" not in answer:
            raise self.no_gateway()
        return answer

    def waiting(self) -> list[dict[str, Any]]:
        """Return what waits to be settled, the oldest first, each with what is kept for it."""
        answer = self.ask("GET", "/admin/v1/usage/settle", None, timeout=_TIMEOUT)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error

    def close(self, named: str, *, usd: float | None = None) -> dict[str, Any]:
        """Wait for one thing no longer, and book what it cost, or what was kept for it; return what was done."""
        body = {} if usd is None else {"usd": usd}
        answer = self.ask("POST", f"/admin/v1/usage/settle/{quote(named, safe='')}", body, timeout=_TIMEOUT)
        if not isinstance(answer, dict) or "settled" not in answer:
            raise self.no_gateway()
        return answer

    def prices(self, model: str | None = None) -> list[dict[str, Any]]:
        """Return the prices of each deployment, of one model or of all, in their order."""
        query = f"?{urlencode({'model': model})}" if model else ""
        answer = self.ask("GET", f"/admin/v1/prices{query}", None, timeout=_TIMEOUT)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error
