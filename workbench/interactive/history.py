"""Every call that this notebook made, by whatever SDK: `wb.history()`."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.client.models import dollars
from workbench.evidence import Dataset
from workbench.prompts.defaults import default_gateway
from workbench.settings import mounted_environment
from workbench.wire.cell import Cell, CellFile, as_tag
from workbench.wire.tags import decode_tag

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway

_COLUMNS = (
    "time", "model", "path", "outcome", "cost_usd", "input_tokens", "output_tokens", "latency_ms", "cell", "request_id",
)  # fmt: skip


class History:
    """Calls of one notebook, newest first, as the gateway's ledger has them."""

    def __init__(self, notebook: str | None, rows: Sequence[dict[str, Any]], gateway: Gateway) -> None:
        self.notebook = notebook
        """The notebook; None: the calls of this kernel."""
        self.rows = tuple(rows)
        """Ledger rows."""
        self._gateway = gateway

    @property
    def frame(self) -> pd.DataFrame:
        """A row a call: time, model, path, outcome, cost_usd, tokens, latency_ms, cell, request_id."""
        import pandas as pd  # noqa: PLC0415 - only a table needs it

        rows = [{**row, "cell": (row.get("tags") or {}).get("cell")} for row in self.rows]
        made = pd.DataFrame([{name: row.get(name) for name in _COLUMNS} for row in rows], columns=list(_COLUMNS))
        return made.assign(time=pd.to_datetime(made["time"], utc=True))

    @property
    def cost_usd(self) -> float:
        """US dollars that all of them cost, as far as that is known."""
        return float(sum(row["cost_usd"] or 0.0 for row in self.rows))

    def dataset(self, name: str = "history") -> Dataset:
        """Return what was said in the chats that went well as a dataset, oldest first.

        An example's inputs are `messages` and the last `question`, expected is the answer that came. The id is the
        call's. Raises NotFound where the gateway kept nothing of what was said.
        """
        return Dataset.from_calls(self.rows, gateway=self._gateway, name=name)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"History({self._told()})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._told())}</p>{self.frame.to_html(index=False, max_rows=20)}"

    def _told(self) -> str:
        whose = self.notebook or "this kernel"
        count = len(self.rows)
        return f"{whose}: {count} call{'s' * (count != 1)}, {dollars(self.cost_usd)}"


def history(
    notebook: str | None = None, *, since: str | None = None, limit: int = 1000, gateway: Gateway | None = None
) -> History:
    """Return the calls that this notebook made, with any SDK, newest first; or those of the `notebook` at that path.

    `since` is a time, or `7d` for so long ago. Where the front end does not tell the notebook's path, they are the
    calls of this kernel's key.
    """
    asked = gateway if gateway is not None else default_gateway()
    path = notebook or _this_notebook()
    # As calls carry it: of a path that is too long, the end.
    tags = None if path is None else {"notebook": decode_tag(as_tag(path))}
    return History(path, asked.calls(tags=tags, since=since, limit=limit), asked)


def _this_notebook() -> str | None:
    key_file = mounted_environment().key_file
    running: Cell | None = CellFile(key_file).read() if key_file is not None else None
    return running.notebook if running is not None else None
