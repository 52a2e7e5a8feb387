"""Messages, plain and streamed: text, thinking, calls of tools, and what the prompt cache held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to, words_of
from workbench.simulator.anthropic.content import cached_parts, wish_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Frames, Reply, Whole
from workbench.wire.sse import frame

_STOP = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "tools": "tool_use"}


def messages(exchange: Exchange) -> Reply:
    """Answer a message."""
    body, model = exchange.body, exchange.model
    answer = answer_to(wish_of(body))
    asked = _asked(exchange, answer)
    if body.get("stream"):
        return Frames(
            frames=frames_of(body, model, answer, asked), tokens=answer.total_tokens, used=charged(answer, asked)
        )
    return Whole(body=whole_of(body, model, answer, asked), tokens=answer.total_tokens, used=charged(answer, asked))


def count_tokens(exchange: Exchange) -> Reply:
    """Answer how many tokens a message has."""
    return Whole(body={"input_tokens": answer_to(wish_of(exchange.body)).input_tokens})


def charged(answer: Answer, asked: dict[str, Any]) -> tuple[Used]:
    """Return what is charged for an answer."""
    hour = asked.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0)
    return (
        Used(
            input=asked["input_tokens"],
            cached=asked.get("cache_read_input_tokens", 0),
            cache_write=asked.get("cache_creation_input_tokens", 0) - hour,
            cache_write_1h=hour,
            output=answer.output_tokens,
        ),
    )


def answered(exchange: Exchange) -> tuple[Answer, dict[str, Any]]:
    """Return the answer to a body of this protocol that came another way (Bedrock, Vertex), and what was asked."""
    answer = answer_to(wish_of(exchange.body))
    return answer, _asked(exchange, answer)


def whole_of(body: dict[str, Any], model: str, answer: Answer, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a message."""
    return {
        **_head(model),
        "content": [{**start, **end} for start, _, end in _blocks(answer)],
        "stop_reason": _STOP[answer.ending],
        "stop_sequence": _stopped_by(body, answer),
        "usage": {**asked, "output_tokens": answer.output_tokens, "service_tier": "standard"},
    }


def frames_of(body: dict[str, Any], model: str, answer: Answer, asked: dict[str, Any]) -> Iterator[bytes]:
    """Yield a streamed message, the terminal event last."""
    for event in events_of(body, model, answer, asked):
        yield frame(msgspec.json.encode(event), name=event["type"])


def events_of(body: dict[str, Any], model: str, answer: Answer, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed message."""
    yield {"type": "message_start", "message": {**_head(model), "content": [], "usage": {**asked, "output_tokens": 1}}}
    for index, (start, deltas, _) in enumerate(_blocks(answer)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": _STOP[answer.ending], "stop_sequence": _stopped_by(body, answer)}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": answer.output_tokens}}
    yield {"type": "message_stop"}


Block = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]
"""How a block starts, the deltas that fill it, and the fields that it has in the end."""


def _blocks(answer: Answer) -> Iterator[Block]:
    if answer.reasoning_tokens:
        first, last = answer.thought[:12], answer.thought[12:]
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in (first, last)]
        signature = {"signature": "c2ltdWxhdGVk"}
        yield (
            {"type": "thinking", "thinking": "", "signature": ""},
            [*deltas, {"type": "signature_delta", **signature}],
            {"thinking": answer.thought, **signature},
        )
    if not answer.calls:
        deltas = [{"type": "text_delta", "text": piece} for piece in answer.pieces]
        yield {"type": "text", "text": ""}, deltas, {"text": answer.text}
    for index, call in enumerate(answer.calls):
        named = "toolu_simulated" if index == 0 else f"toolu_simulated_{index}"
        pieces = (call.written[:5], call.written[5:])
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield {"type": "tool_use", "id": named, "name": call.name, "input": {}}, deltas, {"input": call.arguments}


def _asked(exchange: Exchange, answer: Answer) -> dict[str, Any]:
    """Return the input side of the usage: what is cached is told apart, and not counted as input."""
    written = read = 0
    parts = list(cached_parts(exchange.body))
    hour = b'"ttl":"1h"' in msgspec.json.encode(exchange.body)
    for prefix, text in reversed(parts):  # the longest that was seen is read, the rest up to the last mark is written
        if exchange.state.has_seen(["anthropic", exchange.model, prefix]):
            read = max(read, words_of(text))
    if parts:
        written = words_of(parts[-1][1]) - read
    return {
        "input_tokens": max(0, answer.input_tokens - written - read),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if hour else written,
            "ephemeral_1h_input_tokens": written if hour else 0,
        },
    }


def _stopped_by(body: dict[str, Any], answer: Answer) -> str | None:
    return (body.get("stop_sequences") or [None])[0] if answer.ending == "stop_sequence" else None


def _head(model: str) -> dict[str, Any]:
    return {
        "id": "msg_simulated",
        "type": "message",
        "role": "assistant",
        "model": model,
        "stop_reason": None,
        "stop_sequence": None,
    }
