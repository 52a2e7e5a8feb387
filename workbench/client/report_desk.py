"""Ask a gateway for reports as an admin: usage and cost, showback, service levels, reserved capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from workbench.client.desk import Desk

if TYPE_CHECKING:
    import pandas as pd

_TIMEOUT = 150.0


@dataclass(frozen=True)
class ReportDesk(Desk):
    """`/admin/v1/usage` of one gateway, the reports below it, and its alerts."""

    def usage(self, **query: str | None) -> dict[str, Any]:
        """Return `data`, a row for each group, and `total`; the query is that of the path: group_by, since, ..."""
        return self._report("", query)

    def showback(self, **query: str | None) -> dict[str, Any]:
        """Return what each use case cost in a month, with its share of what is reserved."""
        return self._report("/showback", query)

    def slo(self, **query: str | None) -> dict[str, Any]:
        """Return which share of each use case's online calls was answered, and in time."""
        return self._report("/slo", query)

    def capacity(self, **query: str | None) -> dict[str, Any]:
        """Return how each reserved deployment is used, with advice."""
        return self._report("/capacity", query)

    def alerts(self, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest alerts, each with its deliveries."""
        return list(self.ask("GET", f"/admin/v1/alerts?limit={limit}", None, timeout=_TIMEOUT)["data"])

    def test_alerts(self) -> list[dict[str, Any]]:
        """Have a test sent to every destination; return what became of it."""
        return list(self.ask("POST", "/admin/v1/alerts/test", {}, timeout=_TIMEOUT)["data"])

    def _report(self, path: str, query: Mapping[str, str | None]) -> dict[str, Any]:
        given = urlencode({name: value for name, value in query.items() if value is not None})
        answer = self.ask("GET", f"/admin/v1/usage{path}?{given}", None, timeout=_TIMEOUT)
        if not isinstance(answer, dict) or "data" not in answer:
            raise self.no_gateway()
        return answer


def frame(report: Mapping[str, Any]) -> pd.DataFrame:
    """Return a report's rows as a DataFrame; what else it tells is in `attrs`."""
    import pandas as pd  # noqa: PLC0415 - the CLI and the Jupyter server go without

    table = pd.DataFrame(report["data"])
    table.attrs.update({name: value for name, value in report.items() if name != "data"})
    return table
