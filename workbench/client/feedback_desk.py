"""What applications said of their calls, read from a gateway by who may drain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.client.desk import Desk

_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class FeedbackDesk(Desk):
    """`GET /v1/feedback` of one gateway, for one identity."""

    def feedback_since(self, after: int = 0, *, limit: int = 500) -> list[dict[str, Any]]:
        """Return what was said after number `after`, oldest first; raises GatewayUnreachable, or what it tells."""
        answer = self.ask("GET", f"/v1/feedback?after={after:d}&limit={limit:d}", None, timeout=_TIMEOUT)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error
