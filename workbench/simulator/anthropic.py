"""Anthropic's wire format: messages, plain and streamed.

Source: Anthropic's API reference, Messages and streaming Messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to
from workbench.wire.sse import frame


def credential(headers: dict[str, str]) -> str:
    """Return the key that a request carries."""
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def error(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error."""
    kind = {401: "authentication_error", 429: "rate_limit_error", 404: "not_found_error", 529: "overloaded_error"}
    return {
        "type": "error",
        "error": {
            "type": kind.get(status) or ("invalid_request_error" if status < 500 else "api_error"),
            "message": message,
        },
    }


def error_event(message: str) -> bytes:
    """Return the event by which a stream tells of a failure."""
    return frame(msgspec.json.encode(error(529, message)), name="error")


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a message; where there are tools, the first one is called with the text."""
    answer = _answer(body)
    tool = _tool(body)
    text = {"type": "text", "text": answer.text}
    return {
        **_head(body),
        "content": [text] if tool is None else [{**tool, "input": {"text": answer.text}}],
        "stop_reason": _stop_reason(tool),
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
    }


def frames(body: dict[str, Any]) -> Iterator[bytes]:
    """Yield a streamed message, the terminal event last."""
    answer = _answer(body)
    tool = _tool(body)
    start = {**_head(body), "content": [], "usage": {"input_tokens": answer.input_tokens, "output_tokens": 1}}
    yield _event("message_start", {"message": start})
    yield _event("content_block_start", {"index": 0, "content_block": tool or {"type": "text", "text": ""}})
    yield _event("ping", {})
    if tool is None:
        for piece in answer.pieces:
            yield _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
    else:
        written = msgspec.json.encode({"text": answer.text}).decode()
        for piece in (written[:5], written[5:]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _event("content_block_delta", {"index": 0, "delta": delta})
    yield _event("content_block_stop", {"index": 0})
    ended = {"stop_reason": _stop_reason(tool), "stop_sequence": None}
    yield _event("message_delta", {"delta": ended, "usage": {"output_tokens": answer.output_tokens}})
    yield _event("message_stop", {})


def _tool(body: dict[str, Any]) -> dict[str, Any] | None:
    tools = body.get("tools")
    return {"type": "tool_use", "id": "toolu_simulated", "name": tools[0]["name"], "input": {}} if tools else None


def _stop_reason(tool: dict[str, Any] | None) -> str:
    return "end_turn" if tool is None else "tool_use"


def _head(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_simulated",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return frame(msgspec.json.encode({"type": name, **fields}), name=name)


def _answer(body: dict[str, Any]) -> Answer:
    return answer_to(body["messages"], limit=body.get("max_tokens"))
