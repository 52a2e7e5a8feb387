"""Responses, plain and as typed events; those that are stored can be gone on with, read and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to
from workbench.simulator.billing.used import used_by
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.chat import known_model
from workbench.simulator.openai.conversations import INPUT, RESPONSE, input_items, output_items, wish_of
from workbench.simulator.openai.listing import page
from workbench.simulator.reply import Frames, Reply, Whole
from workbench.simulator.state import NOW
from workbench.wire.sse import frame


def create(exchange: Exchange) -> Reply:
    """Answer a response."""
    known_model(exchange)
    answer, account = answer_to(wish_of(exchange)), exchange.account
    name = account.new_id("resp_")
    response = _response(exchange, name, answer)
    if exchange.body.get("store", True):
        account.keep(RESPONSE, response)
        items = [{"id": f"{name}_{n}", **item} for n, item in enumerate(input_items(exchange))]
        account.keep(INPUT, {"id": name, "data": items})
    if exchange.body.get("stream"):
        return Frames(frames=_frames(response, answer), tokens=answer.total_tokens, used=used_by(answer))
    if exchange.body.get("background"):  # it is ready at once for whoever looks
        response = {**response, "status": "queued", "output": [], "usage": None}
    return Whole(body=response, tokens=answer.total_tokens, used=used_by(answer))


def count_tokens(exchange: Exchange) -> Reply:
    """Answer how many tokens a response's input has."""
    return Whole(body={"object": "response.input_tokens", "input_tokens": answer_to(wish_of(exchange)).input_tokens})


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a stored response."""
    return Whole(body=exchange.account.find(RESPONSE, exchange.params["id"]))


def cancel(exchange: Exchange) -> Reply:
    """Answer with a response that is complete already."""
    return retrieve(exchange)


def delete(exchange: Exchange) -> Reply:
    """Forget a response."""
    name = exchange.params["id"]
    exchange.account.remove(RESPONSE, name)
    exchange.account.remove(INPUT, name)
    return Whole(body={"id": name, "object": "response", "deleted": True})


def asked_items(exchange: Exchange) -> Reply:
    """Answer with the input items of a response."""
    return Whole(body=page(exchange, list(reversed(exchange.account.find(INPUT, exchange.params["id"])["data"]))))


def _response(exchange: Exchange, name: str, answer: Answer) -> dict[str, Any]:
    body = exchange.body
    cut = answer.ending == "length"
    usage = {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": answer.total_tokens,
    }
    return {
        "id": name,
        "object": "response",
        "created_at": NOW,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": exchange.model,
        "output": output_items(answer, name),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _frames(response: dict[str, Any], answer: Answer) -> Iterator[bytes]:
    for number, event in zip(count(), _events(response, answer), strict=False):
        yield frame(msgspec.json.encode({**event, "sequence_number": number}), name=event["type"])


def _events(response: dict[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        at = {"item_id": item["id"], "output_index": index}
        contents: dict[str, dict[str, Any]] = {"message": {"content": []}, "function_call": {"arguments": ""}}
        empty = contents.get(item["type"], {})
        status = {"status": "in_progress"} if "status" in item else {}
        yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **empty, **status}}
        if item["type"] == "message":
            yield from _text(item, answer, {**at, "content_index": 0})
        elif item["type"] == "function_call":
            written = item["arguments"]
            for piece in (written[:5], written[5:]):
                yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
            yield {"type": "response.function_call_arguments.done", **at, "arguments": written, "name": item["name"]}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _text(item: dict[str, Any], answer: Answer, at: dict[str, Any]) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in answer.pieces:
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": answer.text, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}
