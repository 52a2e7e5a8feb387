"""What calls used and cost, as a DataFrame, of the gateway that is found: `wb.usage(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.client.gateway import Gateway

if TYPE_CHECKING:
    import pandas as pd


def usage(
    by: str = "use_case,model", *, since: str | None = "30d", until: str | None = None, **which: str
) -> pd.DataFrame:
    """Return what calls used and cost; see `Gateway.usage`. Raises PermissionDenied for who is no admin."""
    with Gateway() as gateway:
        return gateway.usage(by, since=since, until=until, **which)
