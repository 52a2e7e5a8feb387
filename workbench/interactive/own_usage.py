"""What one's own key has used, and what is left of what holds it: the table of `%usage`."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.client.models import dollars
from workbench.prompts.defaults import default_gateway

if TYPE_CHECKING:
    from workbench.client import Gateway

_COUNTS = ("calls", "errors", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class OwnUsage:
    """Use and limits of one key, as a table in a notebook and as text elsewhere."""

    key: dict[str, Any]
    """What `Gateway.me` tells."""
    spent: dict[str, Any]
    """What `Gateway.own_usage` tells."""

    @property
    def spending(self) -> list[dict[str, Any]]:
        """A row for each model, and the sum."""
        sums = {"model": "all", "cost_usd": self.spent["cost_usd"], **{name: self.spent[name] for name in _COUNTS}}
        rows = [*self.spent["models"], sums]
        return [{name: row[name] for name in ("model", *_COUNTS, "cost_usd")} for row in rows]

    @property
    def limits(self) -> list[dict[str, Any]]:
        """A row for each limit and part of a budget that holds the key: whose it is, how much, and what is left."""
        rows = []
        for holder in self.key.get("held_to", ()):
            caps = {**(holder.get("limits") or {}), **(holder.get("budget") or {})}
            for name, most in caps.items():
                if most is not None:
                    whose = f"{holder['subject'].replace('_', ' ')} {holder['name']}"
                    rows.append({"holds": whose, "what": name, "limit": most, "left": holder["left"].get(name)})
        return rows

    def __repr__(self) -> str:
        used = [
            f"{row['model']}: {row['calls']} calls, {row['input_tokens']}+{row['output_tokens']} tokens, "
            f"{dollars(row['cost_usd'] or 0.0)}"
            for row in self.spending
        ]
        held = [f"{row['what']} of {row['holds']}: {row['left']} of {row['limit']} left" for row in self.limits]
        return "\n".join([self._heading(), *used, *(held or ["No limit and no budget holds it."])])

    def _repr_html_(self) -> str:
        held = _table(self.limits) if self.limits else "<p>No limit and no budget holds it.</p>"
        return f"<p>{html.escape(self._heading())}</p>{_table(self.spending)}{held}"

    def _heading(self) -> str:
        until = f", good until {self.key['expires_at']}" if self.key.get("expires_at") else ""
        unknown = self.spent.get("calls_without_price") or 0
        priced = f" The price of {unknown} of its calls is not known." if unknown else ""
        return f"{str(self.key.get('kind', '')).capitalize()} key of {self.key.get('owner')}{until}.{priced}"


def own_usage(gateway: Gateway | None = None) -> OwnUsage:
    """Return what the key in use has spent, and how its limits stand."""
    asked = gateway if gateway is not None else default_gateway()
    return OwnUsage(asked.me(), asked.own_usage())


def _table(rows: list[dict[str, Any]]) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    lines = "".join(f"<tr>{''.join(f'<td>{_cell(name, row[name])}</td>' for name in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "cost_usd":
        return html.escape(dollars(value))
    return html.escape(f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value)
