"""Message batches: they end at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from workbench.simulator.answer import answer_to
from workbench.simulator.anthropic.content import wish_of
from workbench.simulator.anthropic.family import error_body
from workbench.simulator.anthropic.messages import charged, whole_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Refused, Reply, Whole

_MADE = "2026-01-01T00:00:00Z"


def create(exchange: Exchange) -> Reply:
    """Make a batch and answer all of it."""
    account = exchange.account
    name = account.new_id("msgbatch_")
    lines, counts = [], {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    used: list[Used] = []
    for request in exchange.body["requests"]:
        try:
            params = request["params"]
            answer = answer_to(wish_of(params))
            asked = {"input_tokens": answer.input_tokens}
            result: dict[str, Any] = {"type": "succeeded", "message": whole_of(params, params["model"], answer, asked)}
            used += (replace(one, tier="batch", model=params["model"]) for one in charged(answer, asked))
        except (Refused, KeyError, TypeError) as error:
            result = {"type": "errored", "error": error_body(Refused(400, str(error)))}
        counts[result["type"]] += 1
        lines.append(msgspec.json.encode({"custom_id": request.get("custom_id"), "result": result}))
    account.write(name, b"\n".join(lines) + b"\n")
    batch = {
        "id": name,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": counts,
        "created_at": _MADE,
        "ended_at": _MADE,
        "expires_at": "2026-01-02T00:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{exchange.url}/v1/messages/batches/{name}/results",
    }
    return Whole(body=account.keep("message batch", batch), used=tuple(used))


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a batch."""
    return Whole(body=exchange.account.find("message batch", exchange.params["id"]))


def listed(exchange: Exchange) -> Reply:
    """Answer with all batches."""
    data = exchange.account.all("message batch")
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return Whole(body={"data": data, "has_more": False, **ends})


def cancel(exchange: Exchange) -> Reply:
    """Answer with a batch that has ended already, which a real one may have too."""
    return retrieve(exchange)


def results(exchange: Exchange) -> Reply:
    """Answer with the results, a line each."""
    raw = exchange.account.read(exchange.params["id"])
    return Whole(body=raw, content_type="application/x-jsonl")
