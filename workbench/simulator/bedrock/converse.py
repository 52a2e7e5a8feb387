"""Converse and ConverseStream: one protocol for all of Bedrock's models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to
from workbench.simulator.bedrock.content import wish_of
from workbench.simulator.billing.used import used_by
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Frames, Reply, Whole
from workbench.wire import event_stream

_STOP = {"stop": "end_turn", "length": "max_tokens", "stop_sequence": "stop_sequence", "tools": "tool_use"}
_SIGNATURE = "c2ltdWxhdGVk"


def converse(exchange: Exchange) -> Reply:
    """Answer a converse."""
    answer = answer_to(wish_of(exchange.body))
    body = {
        "output": {"message": {"role": "assistant", "content": _content(answer)}},
        "stopReason": _STOP[answer.ending],
        "usage": _usage(answer),
        "metrics": {"latencyMs": 1},
    }
    return Whole(body=body, tokens=answer.total_tokens, used=used_by(answer))


def converse_stream(exchange: Exchange) -> Reply:
    """Answer a converse as an event stream."""
    answer = answer_to(wish_of(exchange.body))
    frames = (event_stream.event(name, msgspec.json.encode(payload)) for name, payload in _events(answer))
    return Frames(
        frames=frames, content_type=event_stream.CONTENT_TYPE, tokens=answer.total_tokens, used=used_by(answer)
    )


def count_tokens(exchange: Exchange) -> Reply:
    """Answer how many tokens a converse has."""
    asked = exchange.body["input"].get("converse") or {}
    return Whole(body={"inputTokens": answer_to(wish_of(asked)).input_tokens})


def _content(answer: Answer) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if answer.reasoning_tokens:
        content.append({"reasoningContent": {"reasoningText": {"text": answer.thought, "signature": _SIGNATURE}}})
    if not answer.calls:
        content.append({"text": answer.text})
    for index, call in enumerate(answer.calls):
        content.append({"toolUse": {"toolUseId": _id(index), "name": call.name, "input": call.arguments}})
    return content


def _events(answer: Answer) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    block = 0
    if answer.reasoning_tokens:
        for told in ({"text": answer.thought}, {"signature": _SIGNATURE}):
            yield "contentBlockDelta", {"delta": {"reasoningContent": told}, "contentBlockIndex": block}
        yield "contentBlockStop", {"contentBlockIndex": block}
        block += 1
    if not answer.calls:
        for piece in answer.pieces:
            yield "contentBlockDelta", {"delta": {"text": piece}, "contentBlockIndex": block}
        yield "contentBlockStop", {"contentBlockIndex": block}
    for index, call in enumerate(answer.calls):
        start = {"toolUse": {"toolUseId": _id(index), "name": call.name}}
        yield "contentBlockStart", {"start": start, "contentBlockIndex": block}
        for piece in (call.written[:5], call.written[5:]):
            yield "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}, "contentBlockIndex": block}
        yield "contentBlockStop", {"contentBlockIndex": block}
        block += 1
    yield "messageStop", {"stopReason": _STOP[answer.ending]}
    yield "metadata", {"usage": _usage(answer), "metrics": {"latencyMs": 1}}


def _usage(answer: Answer) -> dict[str, int]:
    used = {"inputTokens": answer.input_tokens, "outputTokens": answer.output_tokens}
    return {**used, "totalTokens": answer.total_tokens, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}


def _id(index: int) -> str:
    return "tooluse_simulated" if index == 0 else f"tooluse_simulated_{index}"
