"""Batches: their requests stand in the body, and they end at once.

One that is called `pending` stays unfinished until it is cancelled; the results of one called `file` go to a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from workbench.simulator.answer import words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini.content import pick, turn_of
from workbench.simulator.gemini.embed import embed
from workbench.simulator.gemini.family import error_body
from workbench.simulator.gemini.generate import generate
from workbench.simulator.reply import Refused, Reply, Whole

PENDING, IN_A_FILE = "pending", "file"
"""Display names that say how a batch ends."""
_BATCH = "gemini batch"
_MADE = "2026-01-01T00:00:00Z"
_Handler = Callable[[Exchange], Reply]


def create(exchange: Exchange) -> Reply:
    """Make a batch of generateContent."""
    return _create(exchange, generate, "inlinedResponses")


def create_embeddings(exchange: Exchange) -> Reply:
    """Make a batch of embedContent."""
    return _create(exchange, _embed, "inlinedEmbedContentResponses")


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a batch."""
    return Whole(body=exchange.account.find(_BATCH, exchange.params["id"])["operation"])


def listed(exchange: Exchange) -> Reply:
    """Answer with all batches."""
    return Whole(body={"operations": [one["operation"] for one in exchange.account.all(_BATCH)]})


def cancel(exchange: Exchange) -> Reply:
    """Cancel a batch, if it has not ended."""
    operation = exchange.account.find(_BATCH, exchange.params["id"])["operation"]
    if not operation.get("done"):
        operation["metadata"] |= {"state": "BATCH_STATE_CANCELLED", "endTime": _MADE}
        operation["done"] = True
    return Whole(body={})


def delete(exchange: Exchange) -> Reply:
    """Forget a batch."""
    exchange.account.remove(_BATCH, exchange.params["id"])
    return Whole(body={})


def download(exchange: Exchange) -> Reply:
    """Answer with the content of a file of results."""
    return Whole(body=exchange.account.read(exchange.params["id"]), content_type="application/octet-stream")


def _create(exchange: Exchange, handler: _Handler, inlined: str) -> Reply:
    batch, account = exchange.body["batch"], exchange.account
    source = pick(pick(batch, "inputConfig") or {}, "requests") or {}
    requests = source.get("requests")
    if not requests:
        raise Refused(400, "* CreateBatchRequest.batch.input_config: requests is not specified")
    number, title = account.new_id("batch-"), pick(batch, "displayName")
    used: list[Used] = []
    metadata: dict[str, Any] = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{exchange.model}",
        "displayName": title,
        "createTime": _MADE,
        "updateTime": _MADE,
        "name": f"batches/{number}",
        "state": "BATCH_STATE_RUNNING",
        "batchStats": {"requestCount": str(len(requests)), "pendingRequestCount": str(len(requests))},
    }
    operation: dict[str, Any] = {"name": f"batches/{number}", "metadata": metadata}
    if title != PENDING:
        answers = [_answered(exchange, handler, request, used) for request in requests]
        good = sum("response" in answer for answer in answers)
        output: dict[str, Any] = {inlined: {"inlinedResponses": answers}}
        if title == IN_A_FILE:
            output = {"responsesFile": _written(exchange, answers)}
        stats = {"requestCount": str(len(requests)), "successfulRequestCount": str(good)}
        metadata |= {"state": "BATCH_STATE_SUCCEEDED", "endTime": _MADE, "output": output, "batchStats": stats}
        operation |= {"done": True, "response": output}
    account.keep(_BATCH, {"id": number, "operation": operation})
    return Whole(body=operation, used=tuple(used))


def _answered(exchange: Exchange, handler: _Handler, asked: dict[str, Any], used: list[Used]) -> dict[str, Any]:
    named = {"metadata": asked["metadata"]} if "metadata" in asked else {}
    try:
        reply = handler(replace(exchange, body=asked["request"]))
    except Refused as refused:
        return {"error": error_body(refused)["error"], **named}
    assert isinstance(reply, Whole)
    used += (replace(one, tier="batch", model=exchange.model) for one in reply.used)
    return {"response": reply.body, **named}


def _embed(exchange: Exchange) -> Reply:
    """Answer as embedContent does, with the count of tokens that batches tell."""
    told = embed(exchange)
    assert isinstance(told, Whole)
    tokens = words_of(turn_of(exchange.body["content"]).text)
    return Whole(body={**told.body, "tokenCount": str(tokens)}, used=(Used(input=tokens),))


def _written(exchange: Exchange, answers: Iterable[dict[str, Any]]) -> str:
    number = exchange.account.new_id("batch-output-")
    lines = [
        msgspec.json.encode({"key": (answer.pop("metadata", None) or {}).get("key"), **answer}) for answer in answers
    ]
    exchange.account.write(number, b"\n".join(lines) + b"\n")
    return f"files/{number}"
