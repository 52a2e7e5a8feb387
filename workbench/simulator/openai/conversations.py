"""Responses' input and output items, and the conversations that `previous_response_id` goes on with."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.simulator.answer import Answer, Turn, Wish
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.content import reasoning_of, schema_of, tools_of, turn_of
from workbench.simulator.reply import Refused

RESPONSE = "response"
"""The kind under which responses are kept."""
INPUT = "input of a response"
"""The kind under which their input items are kept."""


def input_items(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the items of a request; a text is one message."""
    told = exchange.body["input"]
    if isinstance(told, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": told}]}]
    if not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
        raise Refused(400, "input must be a text or an array of items.")
    return told


def wish_of(exchange: Exchange) -> Wish:
    """Return what a response is asked, the conversation before it included."""
    body = exchange.body
    system = [Turn("system", body["instructions"])] if body.get("instructions") else []
    items = [*earlier_items(exchange), *input_items(exchange)]
    return Wish(
        turns=system + [_turn(item) for item in items if item.get("type") not in ("reasoning", "item_reference")],
        tools=tools_of(body),
        schema=schema_of((body.get("text") or {}).get("format")),
        limit=body.get("max_output_tokens"),
        reasoning=reasoning_of(exchange.model, (body.get("reasoning") or {}).get("effort")),
    )


def earlier_items(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the items of the conversation that a request goes on with, oldest first."""
    name, items = exchange.body.get("previous_response_id"), list[dict[str, Any]]()
    while name:
        try:
            response, asked = exchange.account.find(RESPONSE, name), exchange.account.find(INPUT, name)
        except Refused as refused:
            message = f"Previous response with id '{name}' not found."
            raise Refused(400, message, code="previous_response_not_found") from refused
        items = [*asked["data"], *response["output"], *items]
        name = response["previous_response_id"]
    return items


def output_items(answer: Answer, new_id: str) -> list[dict[str, Any]]:
    """Return what a response says: a thought, then a message or calls."""
    items: list[dict[str, Any]] = []
    if answer.reasoning_tokens:
        items.append({"type": "reasoning", "id": f"rs_{new_id}", "summary": []})
    for index, call in enumerate(answer.calls):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{new_id}_{index}",
                "call_id": f"call_simulated_{index}",
                "name": call.name,
                "arguments": call.written,
                "status": "completed",
            }
        )
    if not answer.calls:
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        message = {"type": "message", "id": f"msg_{new_id}", "status": "completed", "role": "assistant"}
        items.append({**message, "content": content})
    return items


def _turn(item: dict[str, Any]) -> Turn:
    if item.get("type") == "function_call_output":
        output = item.get("output")
        return Turn("tool", output if isinstance(output, str) else msgspec.json.encode(output).decode())
    if item.get("type") == "function_call":
        return Turn("assistant", "")
    return turn_of(item)
