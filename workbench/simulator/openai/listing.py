"""Pages of lists, as OpenAI gives them: newest first, `after` an id, at most `limit`."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Refused


def page(exchange: Exchange, things: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the page that a request asks for; raises Refused where `after` names nothing."""
    after, limit = exchange.query.get("after"), int(exchange.query.get("limit") or 20)
    things = things[::-1] if exchange.query.get("order") == "asc" else things
    if after is not None:
        places = [place for place, thing in enumerate(things) if thing["id"] == after]
        if not places:
            raise Refused(400, f"after: no such object {after!r}.")
        things = things[places[0] + 1 :]
    shown = things[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(things) > limit,
    }
