"""Ask a gateway for its record of calls: ship it, show a call, take real traffic as a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from workbench.client.desk import Desk
from workbench.errors import GatewayUnreachable


@dataclass(frozen=True)
class AuditDesk(Desk):
    """`/admin/v1/audit` of one gateway, for one identity."""

    def ship(self, *, timeout: float) -> dict[str, Any]:
        """Have what is new shipped to the lake; return how much it was."""
        told: dict[str, Any] = self.ask("POST", "/admin/v1/audit/ship", {}, timeout=timeout)
        return told

    def show(self, request_id: str, *, timeout: float) -> dict[str, Any]:
        """Return a call's row, and what was kept of its bodies."""
        path = f"/admin/v1/audit/calls/{quote(request_id, safe='')}"
        told: dict[str, Any] = self.ask("GET", path, None, timeout=timeout)
        return told

    def dataset(
        self,
        *,
        since: str,
        until: str | None = None,
        use_case: str | None = None,
        model: str | None = None,
        sample: int = 200,
        seed: int = 0,
        timeout: float,
    ) -> Iterator[dict[str, Any]]:
        """Yield real calls as examples: `id`, `inputs`, `expected`, and what the call was like."""
        asked = {
            "since": since, "until": until, "use_case": use_case, "model": model, "sample": sample, "seed": seed,
        }  # fmt: skip
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        for line in self.lines(f"/admin/v1/audit/dataset?{query}", timeout=timeout):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise GatewayUnreachable(f"The gateway at {self.url} broke off in the middle.") from error
